/**
 * An unmodified matrix-js-sdk, in a process of its own, looks into a room that it is not in, as Element
 * Web does for a link to one.
 */
import { spawn } from 'node:child_process'
import { startServer } from '../support/server.ts'

/** Prints what was said last before it came, and then what is said first while it looks. */
const program = `
import { createClient, RoomEvent } from 'matrix-js-sdk'
const silent = () => undefined
const logger = { trace: silent, debug: silent, info: silent, warn: silent, error: silent }
logger.getChild = () => logger
const [room, options] = process.argv.slice(1)
const client = createClient({ ...JSON.parse(options), logger })
const peeked = await client.peekInRoom(room)
console.log(peeked.getLiveTimeline().getEvents().at(-1).getContent().body)
client.on(RoomEvent.Timeline, event => {
  console.log(event.getContent().body)
  process.exit(0)
})
`

test('matrix-js-sdk peeks into a room, and hears what is said there', async () => {
  const server = await startServer()
  try {
    const alice = await server.user('alice')
    const { userId, token: accessToken, deviceId } = await server.user('passer-by')
    const content = { history_visibility: 'world_readable' }
    const room = await alice.createRoom({
      preset: 'public_chat',
      initial_state: [{ type: 'm.room.history_visibility', content }],
    })
    await alice.say(room, 'before it came')

    const options = JSON.stringify({ baseUrl: server.baseUrl, userId, accessToken, deviceId })
    const args = ['--input-type=module', '--eval', program, room, options]
    const env = { ...process.env, NODE_OPTIONS: undefined }
    const peeking = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    peeking.stdout.on('data', chunk => {
      said += chunk
    })
    const ended = new Promise<number | null>(resolve => peeking.once('close', resolve))
    // Should it end before it listens, what it has said will tell.
    await Promise.race([server.untilWaiting(1), ended])
    await alice.say(room, 'while it looked')
    expect({ exitCode: await ended, said }).toEqual({
      exitCode: 0,
      said: 'before it came\nwhile it looked\n',
    })
  } finally {
    await server.stop()
  }
})
