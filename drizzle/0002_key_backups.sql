CREATE TABLE "key_backups" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"blob" "bytea" NOT NULL,
	"etag" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "key_backups" ADD CONSTRAINT "key_backups_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
-- Ciphertext does not compress: keep PostgreSQL from trying.
ALTER TABLE "key_backups" ALTER COLUMN "blob" SET STORAGE EXTERNAL;
