/** JSON lines by pino. Facts, not prose; never a token, a password, a `delay_id` or any content. */
import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Where PostgreSQL's errors show the row that they are about. */
const rows = ['err.detail', 'err.where']

/** @param destination where the lines go; standard error unless given */
export function makeLog(level: LogLevel, destination?: DestinationStream): Log {
  return pino(
    {
      level,
      base: null,
      redact: {
        paths: ['*.access_token', '*.password', '*.delay_id', '*.content', ...rows],
        remove: true,
      },
    },
    destination ?? pino.destination({ dest: 2, sync: true }),
  )
}
