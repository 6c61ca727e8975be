import { type Kysely, sql } from 'kysely'

/**
 * How many values these columns have, as far as plans go. They are made for all values (decision 81), and
 * so for as many as there may be: one room with one call that never ends would let ANALYZE believe that
 * all state is of one type, and that no index of types is needed.
 */
export async function countsForPlans(q: Kysely<unknown>): Promise<void> {
  const many = 1_000
  const types = 50
  const counts = {
    room_state: { room_id: many, type: types, state_key: many },
    events: { room_id: many, type: types, sender: many },
    searchable_texts: { room_id: many },
    delayed_events: { user_id: many, room_id: many, type: types, state_key: many },
    receipts: { room_id: many, user_id: many },
    account_data: { user_id: many, room_id: many, type: types },
    to_device_messages: { user_id: many, device_id: many },
    one_time_keys: { user_id: many, device_id: many },
  }
  for (const [table, columns] of Object.entries(counts)) {
    for (const [column, count] of Object.entries(columns)) {
      await sql`
        ALTER TABLE ${sql.table(table)} ALTER COLUMN ${sql.ref(column)}
          SET (n_distinct = ${sql.lit(count)})`.execute(q)
    }
  }
}
