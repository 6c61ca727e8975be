import { nameOf } from './steps.ts'

test.each([
  ['begin', 'begin'],
  ['select * from "delayed_events" where "send_at" <= $1', 'select delayed_events'],
  ['select "user_id" from "users" where "user_id" = $1 for update', 'lock users'],
  ['SELECT 1 / (count(*) = 2)::int FROM (SELECT FROM rooms FOR UPDATE OF rooms) x', 'lock rooms'],
  ['update "users" set "is_admin" = $1', 'update users'],
  // What it changes, not what it begins with.
  ['\n  WITH new_events AS (\n    INSERT INTO events SELECT $1', 'insert events'],
  ['with "claimed" as (update "delayed_events" set "status" = $1', 'update delayed_events'],
  ['WITH free AS (SELECT id FROM a FOR UPDATE) UPDATE b SET c = 1 FROM free', 'update b'],
])('%j is called %j', (sql, name) => {
  expect(nameOf(sql)).toBe(name)
})
