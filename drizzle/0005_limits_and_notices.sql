CREATE TABLE "notices" (
	"at" timestamp (3) with time zone PRIMARY KEY NOT NULL,
	"text" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "attempts" ALTER COLUMN "count" SET DATA TYPE bigint;