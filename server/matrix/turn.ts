/** Passwords for TURN servers, as coturn checks them. Spec: GET /voip/turnServer */
import { createHmac } from 'node:crypto'

/**
 * Who knows the secret can tell that we made it, and until when it holds, without asking us.
 *
 * @param until Unix s
 */
export function turnCredentials(
  secret: string,
  userId: string,
  until: number,
): { username: string; password: string } {
  const username = `${until}:${userId}`
  return { username, password: createHmac('sha1', secret).update(username).digest('base64') }
}
