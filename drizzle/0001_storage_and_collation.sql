-- Ciphertext does not compress: keep PostgreSQL from trying.
ALTER TABLE "events" ALTER COLUMN "ciphertext" SET STORAGE EXTERNAL;
--> statement-breakpoint
ALTER TABLE "key_backups" ALTER COLUMN "blob" SET STORAGE EXTERNAL;
--> statement-breakpoint
-- Usernames are ASCII and sort bytewise, as in statements; and a prefix can then be looked up through the index.
ALTER TABLE "users" ALTER COLUMN "username" TYPE text COLLATE "C";
--> statement-breakpoint
-- Written once a second, and nothing that a crash may not forget.
ALTER TABLE "attempts" SET UNLOGGED;
