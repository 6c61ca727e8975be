/** Relays for calls between two people, which their clients make without a media server. */
import { z } from 'zod'
import { durationMs } from './kinds.ts'

export const turn = z
  .strictObject({
    uris: z
      .array(z.string().regex(/^turns?:[^\s]+$/, 'must begin with turn: or turns:'))
      .default([])
      .describe('Where they are, such as turn:turn.example.com?transport=udp.'),
    shared_secret: z
      .string()
      .min(1)
      .optional()
      .describe(
        'What coturn has as static-auth-secret: with it each user is given a password for a while.',
      ),
    lifetime_ms: durationMs
      .min(1_000)
      .default(86_400_000)
      .describe('How long such a password lasts; of a fixed one, when clients ask again.'),
    username: z.string().min(1).optional().describe('Instead of shared_secret: one for everybody.'),
    password: z.string().min(1).optional().describe('The password of username.'),
  })
  .refine(
    ({ uris, shared_secret, username, password }) =>
      uris.length === 0 ||
      shared_secret !== undefined ||
      (username !== undefined && password !== undefined),
    'uris need shared_secret, or username and password',
  )
  .prefault({})
  .describe('TURN servers for calls between two people; Element Call does not need them.')
