CREATE TABLE "added_wraps" (
	"session_key_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"added_by" uuid NOT NULL,
	"wrapped_key" "bytea" NOT NULL,
	"text" text NOT NULL,
	"signatures" json NOT NULL,
	"fetched_at" timestamp (3) with time zone,
	CONSTRAINT "added_wraps_session_key_id_device_id_added_by_pk" PRIMARY KEY("session_key_id","device_id","added_by")
);
--> statement-breakpoint
CREATE TABLE "attempts" (
	"key" text PRIMARY KEY NOT NULL,
	"count" integer NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "bound_keys" (
	"fingerprint" text PRIMARY KEY NOT NULL,
	"device_id" uuid NOT NULL
);
--> statement-breakpoint
CREATE TABLE "conversation_statements" (
	"conversation_id" uuid NOT NULL,
	"sequence" integer NOT NULL,
	"request" integer NOT NULL,
	"hash" text NOT NULL,
	"text" text NOT NULL,
	"signatures" json NOT NULL,
	"position" bigint NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "conversation_statements_conversation_id_sequence_pk" PRIMARY KEY("conversation_id","sequence")
);
--> statement-breakpoint
CREATE TABLE "conversations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"chain_sequence" integer NOT NULL,
	"chain_head" text NOT NULL,
	"unique_key" text,
	"member_count" integer NOT NULL,
	"message_ttl" integer NOT NULL,
	"session_key_id" uuid NOT NULL,
	"outdated_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "conversations_unique_key_unique" UNIQUE("unique_key")
);
--> statement-breakpoint
CREATE TABLE "devices" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"name" text NOT NULL,
	"status" text NOT NULL,
	"purpose" text NOT NULL,
	"signing_key" text NOT NULL,
	"signing_fingerprint" text NOT NULL,
	"encryption_key" text NOT NULL,
	"encryption_fingerprint" text NOT NULL,
	"kem_key" "bytea",
	"kem_fingerprint" text NOT NULL,
	"encryption_version" integer NOT NULL,
	"request" json,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "devices_status" CHECK ("devices"."status" in ('pending', 'active', 'revoked')),
	CONSTRAINT "devices_purpose" CHECK ("devices"."purpose" in ('chat', 'recovery'))
);
--> statement-breakpoint
CREATE TABLE "event_recipients" (
	"user_id" uuid NOT NULL,
	"position" bigint NOT NULL,
	CONSTRAINT "event_recipients_user_id_position_pk" PRIMARY KEY("user_id","position")
);
--> statement-breakpoint
CREATE TABLE "events" (
	"position" bigint PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"conversation_id" uuid,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"data" json,
	"added_users" uuid[],
	"removed_users" uuid[],
	"message_id" uuid,
	"sender_id" uuid,
	"sender_device_id" uuid,
	"session_key_id" uuid,
	"iv" "bytea",
	"ciphertext" "bytea",
	"signature" "bytea"
);
--> statement-breakpoint
CREATE TABLE "key_backups" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"blob" "bytea" NOT NULL,
	"etag" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "log_head" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"last" bigint NOT NULL,
	"epoch" text NOT NULL,
	"origin" text NOT NULL,
	CONSTRAINT "log_head_one" CHECK ("log_head"."one")
);
--> statement-breakpoint
CREATE TABLE "memberships" (
	"conversation_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"joined_at" bigint NOT NULL,
	"place" integer NOT NULL,
	"left_at" bigint,
	"role" text NOT NULL,
	"root" text NOT NULL,
	"state_sequence" integer NOT NULL,
	"state_head" text NOT NULL,
	"state_root" text NOT NULL,
	"spent_until" timestamp (3) with time zone,
	CONSTRAINT "memberships_user_id_conversation_id_joined_at_pk" PRIMARY KEY("user_id","conversation_id","joined_at")
);
--> statement-breakpoint
CREATE TABLE "presence" (
	"process_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"online" boolean NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "presence_process_id_user_id_pk" PRIMARY KEY("process_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "processes" (
	"id" uuid PRIMARY KEY NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL,
	"lease_until" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "server_secrets" (
	"name" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "session_key_wraps" (
	"session_key_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"wrapped_key" "bytea",
	"sends" boolean NOT NULL,
	"fetched_at" timestamp (3) with time zone,
	CONSTRAINT "session_key_wraps_session_key_id_device_id_pk" PRIMARY KEY("session_key_id","device_id")
);
--> statement-breakpoint
CREATE TABLE "session_keys" (
	"id" uuid PRIMARY KEY NOT NULL,
	"conversation_id" uuid NOT NULL,
	"sequence" integer NOT NULL,
	"hash" text NOT NULL,
	"maker_id" uuid NOT NULL,
	"due" boolean NOT NULL,
	"message_count" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "session_keys_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"device_id" uuid,
	"refresh_generation" integer DEFAULT 0 NOT NULL,
	"address" text NOT NULL,
	"user_agent" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_used_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "user_statements" (
	"user_id" uuid NOT NULL,
	"sequence" integer NOT NULL,
	"kind" text NOT NULL,
	"device_id" uuid NOT NULL,
	"text" text NOT NULL,
	"signatures" json NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "user_statements_user_id_sequence_pk" PRIMARY KEY("user_id","sequence")
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" uuid PRIMARY KEY NOT NULL,
	"username" text NOT NULL,
	"password_hash" text NOT NULL,
	"chain_sequence" integer NOT NULL,
	"chain_head" text NOT NULL,
	"root" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_username_unique" UNIQUE("username")
);
--> statement-breakpoint
ALTER TABLE "added_wraps" ADD CONSTRAINT "added_wraps_session_key_id_session_keys_id_fk" FOREIGN KEY ("session_key_id") REFERENCES "public"."session_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "bound_keys" ADD CONSTRAINT "bound_keys_device_id_devices_id_fk" FOREIGN KEY ("device_id") REFERENCES "public"."devices"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "conversation_statements" ADD CONSTRAINT "conversation_statements_conversation_id_conversations_id_fk" FOREIGN KEY ("conversation_id") REFERENCES "public"."conversations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "devices" ADD CONSTRAINT "devices_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "key_backups" ADD CONSTRAINT "key_backups_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "presence" ADD CONSTRAINT "presence_process_id_processes_id_fk" FOREIGN KEY ("process_id") REFERENCES "public"."processes"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "presence" ADD CONSTRAINT "presence_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "session_key_wraps" ADD CONSTRAINT "session_key_wraps_session_key_id_session_keys_id_fk" FOREIGN KEY ("session_key_id") REFERENCES "public"."session_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "session_keys" ADD CONSTRAINT "session_keys_conversation_id_conversations_id_fk" FOREIGN KEY ("conversation_id") REFERENCES "public"."conversations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_device_id_devices_id_fk" FOREIGN KEY ("device_id") REFERENCES "public"."devices"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "user_statements" ADD CONSTRAINT "user_statements_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "added_wraps_device" ON "added_wraps" USING btree ("device_id");--> statement-breakpoint
CREATE INDEX "added_wraps_fetched" ON "added_wraps" USING btree ("fetched_at") WHERE "added_wraps"."fetched_at" is not null;--> statement-breakpoint
CREATE INDEX "devices_user" ON "devices" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "event_recipients_position" ON "event_recipients" USING btree ("position");--> statement-breakpoint
CREATE INDEX "events_conversation" ON "events" USING btree ("conversation_id","position");--> statement-breakpoint
CREATE UNIQUE INDEX "events_message" ON "events" USING btree ("message_id") WHERE "events"."message_id" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "memberships_current" ON "memberships" USING btree ("conversation_id","user_id") WHERE "memberships"."left_at" is null;--> statement-breakpoint
CREATE INDEX "memberships_order" ON "memberships" USING btree ("conversation_id","joined_at","place") WHERE "memberships"."left_at" is null;--> statement-breakpoint
CREATE INDEX "presence_user" ON "presence" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "presence_version" ON "presence" USING btree ("process_id","version");--> statement-breakpoint
CREATE INDEX "session_key_wraps_device" ON "session_key_wraps" USING btree ("device_id");--> statement-breakpoint
CREATE INDEX "session_key_wraps_fetched" ON "session_key_wraps" USING btree ("fetched_at") WHERE "session_key_wraps"."fetched_at" is not null and "session_key_wraps"."wrapped_key" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "session_keys_conversation" ON "session_keys" USING btree ("conversation_id","sequence");--> statement-breakpoint
CREATE INDEX "session_keys_spare" ON "session_keys" USING btree ("conversation_id","maker_id","created_at") WHERE not "session_keys"."due";--> statement-breakpoint
CREATE INDEX "sessions_user" ON "sessions" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "sessions_device" ON "sessions" USING btree ("device_id");--> statement-breakpoint
CREATE INDEX "sessions_expiry" ON "sessions" USING btree ("expires_at");