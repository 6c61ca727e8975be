import { type Kysely, sql } from 'kysely'

/**
 * What is in the columns is not looked at any more, and so does not decide how a statement is planned: a
 * plan is for all values (decision 82). Only which words are common still is: a search is planned for its
 * words. How large the tables are is known without.
 */
export async function noStatistics(q: Kysely<unknown>): Promise<void> {
  // Of an index, only an expression has statistics. What has been seen already is forgotten where that
  // is allowed; elsewhere it grows old.
  await sql`
    DO $$
    DECLARE
      looked_at record;
    BEGIN
      FOR looked_at IN
        SELECT pg_class.oid::regclass AS relation, relkind, attname, attnum
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = current_schema()::regnamespace AND attnum > 0 AND NOT attisdropped
          AND relname NOT LIKE 'searchable_texts%'
          AND (relkind = 'r' OR EXISTS (
            SELECT FROM pg_index WHERE indexrelid = pg_class.oid AND indkey[attnum - 1] = 0
          ))
      LOOP
        IF looked_at.relkind = 'i' THEN
          EXECUTE format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS 0',
            looked_at.relation, looked_at.attnum);
        ELSE
          EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0, ALTER COLUMN %2$I RESET (n_distinct)',
            looked_at.relation, looked_at.attname);
        END IF;
      END LOOP;
      IF current_setting('is_superuser') = 'on' THEN
        DELETE FROM pg_statistic WHERE starelid IN (
          SELECT oid FROM pg_class
          WHERE relnamespace = current_schema()::regnamespace AND relname NOT LIKE 'searchable_texts%'
        );
      END IF;
    END $$`.execute(q)
}
