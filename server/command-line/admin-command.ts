/**
 * `hourglass admin`: what a developer wants to do by hand, asked of the server that runs. Where it
 * listens, and a token, it has left in its data directory; an embedded database belongs to it alone.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type OperatorFile, operatorFileIn } from '../accounts/operator.ts'
import { parseConfig, readConfigFile } from '../config.ts'
import { nearest } from '../lib/nearest.ts'
import { randomToken } from '../lib/random.ts'
import { table } from '../lib/table.ts'
import { configSchema } from '../options/index.ts'
import { AdminClient, AdminError, type Rows } from './admin-client.ts'
import { firstLine, UsageError } from './command-line.ts'

export const adminHelpText = `Usage: hourglass admin COMMAND [options]

  create-user NAME      make a user; --admin makes an administrator
  reset-password NAME   set a new password and end the devices; --keep-devices leaves them
  deactivate-user NAME  close an account for good; --erase hides what it said from who comes later
  lock-user NAME        nobody uses the account until unlock-user; its devices stay
  suspend-user NAME     it reads, and says nothing, until unsuspend-user
  list-users            everybody who has an account
  list-rooms            every room, with how many are in it
  delete-room ROOM_ID   everybody out, and no trace left; --block keeps them out
  list-delayed-events   what is scheduled, of all users; --all also what became of it

  --password PASSWORD   of create-user and reset-password; without it one is made and printed
  --json                print JSON, not a table
  --data-dir DIR        where the server keeps its data (./data)
  --config FILE         the server's file of options, which may say where that is
  --url URL             another server; HOURGLASS_ADMIN_TOKEN has the token of an administrator

It asks the server that is running. Whoever can read its data directory may administer it.
`

const flags = {
  password: { type: 'string' },
  admin: { type: 'boolean' },
  'keep-devices': { type: 'boolean' },
  erase: { type: 'boolean' },
  block: { type: 'boolean' },
  all: { type: 'boolean' },
  json: { type: 'boolean' },
  'data-dir': { type: 'string' },
  config: { type: 'string' },
  url: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const
type FlagName = keyof typeof flags
type Flags = Partial<Record<FlagName, string | boolean>>

const everywhere: readonly FlagName[] = ['json', 'data-dir', 'config', 'url', 'help']

interface Command {
  /** What has to be named; undefined: nothing. */
  operand?: string
  flags: readonly FlagName[]
  run(client: AdminClient, operand: string, given: Flags): Promise<string>
}

/** What `/admin/{verb}/{userId}` is to be told. */
const restricting = (verb: string, wish: Record<string, boolean>): Command => ({
  operand: 'NAME',
  flags: [],
  async run(client, name, given) {
    const userId = client.userId(name)
    await client.ask('PUT', `/_matrix/client/v1/admin/${verb}/${encodeURIComponent(userId)}`, wish)
    return told(given, { user_id: userId, ...wish })
  },
})

const commands: Record<string, Command> = {
  'create-user': {
    operand: 'NAME',
    flags: ['password', 'admin'],
    async run(client, name, given) {
      const userId = client.userId(name)
      const password = passwordOf(given)
      if (await client.hasUser(userId)) throw new AdminError(`${userId} is there already`)
      const admin = given.admin === true
      await client.ask('PUT', client.userPath(userId), { password, admin })
      return told(given, { user_id: userId, password, admin })
    },
  },
  'reset-password': {
    operand: 'NAME',
    flags: ['password', 'keep-devices'],
    async run(client, name, given) {
      const userId = client.userId(name)
      const password = passwordOf(given)
      const path = `/_synapse/admin/v1/reset_password/${encodeURIComponent(userId)}`
      const logout_devices = given['keep-devices'] !== true
      await client.ask('POST', path, { new_password: password, logout_devices })
      return told(given, { user_id: userId, password })
    },
  },
  'deactivate-user': {
    operand: 'NAME',
    flags: ['erase'],
    async run(client, name, given) {
      const userId = client.userId(name)
      const path = `/_synapse/admin/v1/deactivate/${encodeURIComponent(userId)}`
      const erase = given.erase === true
      await client.ask('POST', path, { erase })
      return told(given, { user_id: userId, erased: erase })
    },
  },
  'lock-user': restricting('lock', { locked: true }),
  'unlock-user': restricting('lock', { locked: false }),
  'suspend-user': restricting('suspend', { suspended: true }),
  'unsuspend-user': restricting('suspend', { suspended: false }),
  'list-users': {
    flags: [],
    async run(client, _, given) {
      const users = await client.all('/_synapse/admin/v2/users?deactivated=true', 'users')
      return shown(given, users, [
        'name',
        'displayname',
        'admin',
        'is_guest',
        'deactivated',
        'locked',
        'suspended',
      ])
    },
  },
  'list-rooms': {
    flags: [],
    async run(client, _, given) {
      const rooms = await client.all('/_synapse/admin/v1/rooms', 'rooms')
      const columns = ['room_id', 'name', 'canonical_alias', 'joined_members', 'version', 'creator']
      return shown(given, rooms, columns)
    },
  },
  'delete-room': {
    operand: 'ROOM_ID',
    flags: ['block'],
    async run(client, roomId, given) {
      const path = `/_synapse/admin/v1/rooms/${encodeURIComponent(roomId)}`
      const done = await client.ask('DELETE', path, { block: given.block === true })
      return told(given, { room_id: roomId, kicked_users: done.kicked_users ?? [] })
    },
  },
  'list-delayed-events': {
    flags: ['all'],
    async run(client, _, given) {
      const status = given.all === true ? 'any' : 'scheduled'
      const path = `/_hourglass/admin/v1/delayed_events?status=${status}`
      const rows = (await client.all(path, 'delayed_events')).map(row => ({
        ...row,
        send_at: typeof row.send_at === 'number' ? new Date(row.send_at).toISOString() : null,
      }))
      const columns = ['send_at', 'status', 'user_id', 'room_id', 'type', 'state_key', 'delay_ms']
      return shown(given, rows, columns)
    },
  },
}

/**
 * @param args what follows `admin`
 * @returns what is to be printed
 * @throws UsageError · AdminError · ConfigError
 */
export async function runAdmin(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const { given, positionals } = parse(args)
  if (given.help === true || args.length === 0) return adminHelpText
  const [name = '', operand, ...rest] = positionals
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) {
    const suggestion = nearest(name, Object.keys(commands))
    const hint = suggestion ? ` (did you mean ${suggestion}?)` : ''
    throw usageError(name === '' ? 'no command' : `unknown command ${name}${hint}`)
  }
  const [superfluous] = command.operand === undefined ? positionals.slice(1) : rest
  if (superfluous !== undefined) throw usageError(`what is ${superfluous}?`)
  if (command.operand !== undefined && operand === undefined) {
    throw usageError(`${name} needs a ${command.operand}`)
  }
  const foreign = Object.keys(given).find(
    flag => ![...everywhere, ...command.flags].includes(flag as FlagName),
  )
  if (foreign !== undefined) throw usageError(`${name} has no option --${foreign}`)
  return command.run(await connect(given, env), operand ?? '', given)
}

const usageError = (message: string) => new UsageError(message, 'hourglass admin --help')

function parse(args: readonly string[]): { given: Flags; positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: flags,
      allowPositionals: true,
    })
    return { given: values, positionals }
  } catch (error) {
    throw usageError(firstLine((error as Error).message))
  }
}

/** The server to ask: the one that is named, or the one whose data directory it is. */
function connect(
  given: Flags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<AdminClient> {
  if (typeof given.url === 'string') {
    const token = env.HOURGLASS_ADMIN_TOKEN
    if (!token) throw usageError('--url needs a token in HOURGLASS_ADMIN_TOKEN')
    return AdminClient.named(given.url, token)
  }
  const dataDir = dataDirOf(given)
  let file: OperatorFile
  try {
    file = JSON.parse(readFileSync(operatorFileIn(dataDir), 'utf8')) as OperatorFile
  } catch {
    throw new AdminError(
      `no server is running with its data in ${dataDir}; start it, or say --data-dir or --url`,
    )
  }
  return Promise.resolve(new AdminClient(file.url, file.token, file.server_name))
}

function dataDirOf(given: Flags): string {
  if (typeof given['data-dir'] === 'string') return given['data-dir']
  if (typeof given.config !== 'string') return configSchema.parse({}).data_dir
  return parseConfig(readConfigFile(given.config), given.config).data_dir
}

const passwordOf = (given: Flags): string =>
  typeof given.password === 'string' ? given.password : randomToken(12)

function told(given: Flags, facts: Record<string, unknown>): string {
  if (given.json === true) return `${JSON.stringify(facts)}\n`
  return table(Object.entries(facts).map(([name, fact]) => [name, textOf(fact)]))
}

function shown(given: Flags, rows: Rows, columns: readonly string[]): string {
  if (given.json === true) return `${JSON.stringify(rows)}\n`
  return table([columns, ...rows.map(row => columns.map(column => textOf(row[column])))])
}

function textOf(fact: unknown): string {
  if (fact === null || fact === undefined) return '-'
  return Array.isArray(fact) ? fact.join(' ') || '-' : String(fact)
}
