/** Logging in by tokens that somebody else has signed. */
import { z } from 'zod'

const jwtAlgorithms = [
  ...(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512'] as const),
  ...(['PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const),
] as const

export const jwt = z
  .strictObject({
    key: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Switches on org.matrix.login.jwt: the secret of HS algorithms, or the public key (PEM) of ' +
          'the others.',
      ),
    algorithms: z
      .array(z.enum(jwtAlgorithms))
      .min(1)
      .default(['HS256'])
      .describe(`Those that tokens may be signed with, of ${jwtAlgorithms.join(', ')}.`),
    issuer: z.string().min(1).optional().describe('What iss must say. Default: anything.'),
    audiences: z
      .array(z.string().min(1))
      .default([])
      .describe('One of these must stand in aud. With none, a token that has an aud is refused.'),
    subject_claim: z
      .string()
      .min(1)
      .default('sub')
      .describe('The claim with the name of the user, without @ and server name.'),
    display_name_claim: z
      .string()
      .min(1)
      .optional()
      .describe('The claim with the display name of a user who is made. Default: none.'),
  })
  .prefault({})
  .describe('Users log in by tokens that somebody else has signed; unknown ones are made.')
