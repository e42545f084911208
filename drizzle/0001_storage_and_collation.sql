-- Ciphertext does not compress: keep PostgreSQL from trying.
ALTER TABLE "events" ALTER COLUMN "ciphertext" SET STORAGE EXTERNAL;
--> statement-breakpoint
-- Usernames are ASCII and sort bytewise, as in statements; and a prefix can then be looked up through the index.
ALTER TABLE "users" ALTER COLUMN "username" TYPE text COLLATE "C";
