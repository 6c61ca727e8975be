/** What is printed when the server has started. */
import type { Config } from '../config.ts'

/**
 * Lines for a shell, to be run in this order: a user, a room, a message that is sent two seconds
 * later, and, when it has been, a look at the last event of the room.
 *
 * @param baseUrl without a slash at the end
 */
export function firstRequests(baseUrl: string): string[] {
  const api = `${baseUrl}/_matrix/client/v3`
  return [
    `token=$(curl -s "${api}/register" -d '{"auth":{"type":"m.login.dummy"}}' | sed 's/.*"access_token":"\\([^"]*\\).*/\\1/')`,
    `room=$(curl -s "${api}/createRoom" -H "Authorization: Bearer $token" -d '{}' | sed 's/.*"room_id":"\\([^"]*\\).*/\\1/')`,
    `curl -X PUT "${api}/rooms/$room/send/m.room.message/1?org.matrix.msc4140.delay=2000" -H "Authorization: Bearer $token" -d '{"msgtype":"m.text","body":"The sand has run out"}'`,
    `sleep 3; curl "${api}/rooms/$room/messages?dir=b&limit=1" -H "Authorization: Bearer $token"`,
  ]
}

/** Listening everywhere is no address that one can ask. */
export const localUrl = (url: string): string =>
  url.replace(/^http:\/\/(0\.0\.0\.0|\[::\])(?=:)/, 'http://localhost')

/**
 * @param url where we listen
 * @param location where the data lies, in words
 */
export function banner(version: string, url: string, location: string, config: Config): string {
  const facts = `
Hourglass ${version}, a Matrix homeserver

  Base URL     ${config.public_base_url ?? url}
  Server name  ${config.server_name}
  Data         ${location}
${config.profile ? `  Profile      ${config.profile}\n` : ''}`
  const { max_delay_ms, max_scheduled_per_user } = config.delayed_events
  if (!config.registration || max_delay_ms < 2_000 || max_scheduled_per_user === 0) return facts
  const [user, room, schedule, look] = firstRequests(localUrl(url))
  return `${facts}
Three requests schedule a message, in a new room of a new user:

  ${user}
  ${room}
  ${schedule}

Two seconds later it is in the room:

  ${look}
`
}
