DROP INDEX "memberships_current";--> statement-breakpoint
CREATE UNIQUE INDEX "memberships_current" ON "memberships" USING btree ("user_id","conversation_id") WHERE "memberships"."left_at" is null;