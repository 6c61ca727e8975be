/**
 * Putting a server aside and back: the whole database, and the time.
 *
 * Not put aside is what lives in memory only: who is typing, presence, counters of rate limits,
 * half-done authentication, connections of sliding sync. It is gone after a restore, as after a
 * restart. Uploaded files stay where they are.
 */
import { randomBytes } from 'node:crypto'
import { copyAside, copyBack, dropCopy, empty } from '../../db/copying.ts'
import { notFound } from '../matrix/errors.ts'
import type { Lab } from './lab.ts'
import { untilQuiet } from './quiet.ts'
import type { Snapshot } from './snapshot.ts'

/** All that is true at this moment; it can be put back as often as one likes. */
export function takeSnapshot(lab: Lab): Promise<Snapshot> {
  return lab.inTurn(() => take(lab))
}

async function take(lab: Lab): Promise<Snapshot> {
  const { context, clock } = lab
  await untilQuiet(context)
  await context.lastSeen.write()
  const snapshot = {
    id: `hourglass_snapshot_${randomBytes(8).toString('hex')}`,
    now: clock.now(),
  }
  await copyAside(context.db, snapshot.id)
  lab.snapshots.set(snapshot.id, snapshot)
  return snapshot
}

/**
 * Do something with a snapshot while nothing else happens to the server.
 *
 * @param id undefined: one of this moment, which is dropped afterwards
 * @throws 404 M_NOT_FOUND there is no such snapshot
 */
export function useSnapshot<T>(
  lab: Lab,
  id: string | undefined,
  use: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  return lab.inTurn(async () => {
    if (id !== undefined) return use(find(lab, id))
    const snapshot = await take(lab)
    try {
      return await use(snapshot)
    } finally {
      await drop(lab, snapshot)
    }
  })
}

/**
 * Make everything what it was; who waits in a long poll is let go. Addresses and speed stay.
 *
 * @throws 404 M_NOT_FOUND there is no such snapshot
 */
export function restoreSnapshot(lab: Lab, id: string): Promise<Snapshot> {
  return lab.inTurn(async () => {
    const snapshot = find(lab, id)
    await lab.held.swap(async db => {
      await copyBack(db, id)
      lab.clock.reset(snapshot.now)
    })
    return snapshot
  })
}

/** @throws 404 M_NOT_FOUND there is no such snapshot */
export function dropSnapshot(lab: Lab, id: string): Promise<void> {
  return lab.inTurn(async () => drop(lab, find(lab, id)))
}

function find(lab: Lab, id: string): Snapshot {
  const snapshot = lab.snapshots.get(id)
  if (!snapshot) throw notFound('There is no such snapshot')
  return snapshot
}

async function drop(lab: Lab, { id }: Snapshot): Promise<void> {
  lab.snapshots.delete(id)
  await dropCopy(lab.context.db, id)
}

/** Empty the server, as if it had never been used. Its keys are new; the time stays. */
export function resetServer(lab: Lab): Promise<void> {
  return lab.inTurn(() =>
    lab.held.swap(async db => {
      await empty(db)
    }),
  )
}
