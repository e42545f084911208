-- Ciphertext does not compress: keep PostgreSQL from trying.
ALTER TABLE "events" ALTER COLUMN "ciphertext" SET STORAGE EXTERNAL;
