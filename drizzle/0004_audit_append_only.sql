-- The audit only grows. Of a row, the address and the details may be erased, each with its salt: nothing else changes.
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.id, NEW.at, NEW.actor_kind, NEW.action, NEW.details_hash, NEW.address_hash, NEW.hash)
        = (OLD.id, OLD.at, OLD.actor_kind, OLD.action, OLD.details_hash, OLD.address_hash, OLD.hash)
      AND NEW.actor IS NOT DISTINCT FROM OLD.actor
      AND NEW.subject IS NOT DISTINCT FROM OLD.subject
      AND ((NEW.details IS NULL AND NEW.details_salt IS NULL)
        OR (NEW.details::text IS NOT DISTINCT FROM OLD.details::text
          AND NEW.details_salt IS NOT DISTINCT FROM OLD.details_salt))
      AND ((NEW.address IS NULL AND NEW.address_salt IS NULL)
        OR (NEW.address IS NOT DISTINCT FROM OLD.address
          AND NEW.address_salt IS NOT DISTINCT FROM OLD.address_salt))
    THEN RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'the audit only grows';
END
$$;
--> statement-breakpoint
CREATE TRIGGER audit_rows BEFORE UPDATE OR DELETE ON "audit" FOR EACH ROW EXECUTE FUNCTION audit_append_only();
--> statement-breakpoint
CREATE TRIGGER audit_table BEFORE TRUNCATE ON "audit" FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
