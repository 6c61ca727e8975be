import { type Kysely, sql } from 'kysely'

/** What grows with what people do, and is found in more ways than one. */
export const unseenTables = [
  'account_data',
  'delayed_events',
  'device_keys',
  'devices',
  'events',
  'one_time_keys',
  'receipts',
  'room_state',
  'rooms',
  'sessions',
  'threads',
  'to_device_messages',
  'transaction_ids',
  'users',
]

/**
 * What is in the columns is not looked at any more, and so does not decide how a statement is planned: a
 * plan is for all values (decision 82). Which words are common still is looked at: a search is planned for
 * its words. How large the tables are is known without.
 */
export async function noStatistics(q: Kysely<unknown>): Promise<void> {
  const named = sql.lit(`{${unseenTables}}`)
  // What has been seen already is forgotten where that is allowed; elsewhere it grows old.
  await sql`
    DO $$
    DECLARE
      looked_at record;
    BEGIN
      FOR looked_at IN
        SELECT attrelid::regclass AS relation,
          string_agg(format('ALTER COLUMN %I SET STATISTICS 0', attname), ', ') AS not_any_more,
          string_agg(format('ALTER COLUMN %I RESET (n_distinct)', attname), ', ')
            FILTER (WHERE attoptions IS NOT NULL) AS not_told_any_more
        FROM pg_attribute
        WHERE attrelid = ANY(${named}::regclass[]) AND attnum > 0 AND NOT attisdropped
        GROUP BY attrelid
      LOOP
        EXECUTE format('ALTER TABLE %s %s', looked_at.relation,
          concat_ws(', ', looked_at.not_any_more, looked_at.not_told_any_more));
      END LOOP;
      IF current_setting('is_superuser') = 'on' THEN
        DELETE FROM pg_statistic WHERE starelid = ANY(
          ${named}::regclass[] || '{events_of_all_rooms,rooms_directory}'::regclass[]
        );
      END IF;
    END $$`.execute(q)
  await sql`ALTER TABLE searchable_texts ALTER COLUMN room_id RESET (n_distinct)`.execute(q)
  // Of these, each a first column, something is computed.
  await sql`ALTER INDEX events_of_all_rooms ALTER COLUMN 1 SET STATISTICS 0`.execute(q)
  await sql`ALTER INDEX rooms_directory ALTER COLUMN 1 SET STATISTICS 0`.execute(q)
}
