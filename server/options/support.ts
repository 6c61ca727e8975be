/** Whom users turn to, also those whose account is locked. */
import { z } from 'zod'
import { isUserId } from '../matrix/ids.ts'

const contact = z
  .strictObject({
    matrix_id: z.string().refine(isUserId, 'is not a user ID').optional(),
    email_address: z.email().optional(),
    role: z.string().min(1),
  })
  .refine(
    ({ matrix_id, email_address }) => matrix_id !== undefined || email_address !== undefined,
    'needs matrix_id or email_address',
  )

export const support = z
  .strictObject({
    contacts: z
      .array(contact)
      .default([])
      .describe(
        'Administrators, for example [{ email_address: admin@example.org, role: m.role.admin }]; ' +
          'with matrix_id instead or as well. Another role is m.role.security.',
      ),
    support_page: z.url().optional().describe('A page that helps users of this server.'),
  })
  .prefault({})
  .describe('What /.well-known/matrix/support tells; without any of it there is no such path.')
