import { type Kysely, sql } from 'kysely'

/** Account data, and messages to devices that have not been acknowledged. */
export async function userData(q: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE account_data (
      user_id text NOT NULL,
      room_id text NOT NULL,
      type text NOT NULL,
      content text NOT NULL,
      position bigint NOT NULL,
      PRIMARY KEY (user_id, room_id, type)
    )`.execute(q)
  await sql`CREATE INDEX account_data_changes ON account_data (user_id, position)`.execute(q)
  await sql`
    CREATE TABLE to_device_messages (
      user_id text NOT NULL,
      device_id text NOT NULL,
      position bigint NOT NULL,
      message text NOT NULL,
      PRIMARY KEY (user_id, device_id, position)
    )`.execute(q)
}
