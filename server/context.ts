/** The long-lived things, each built once, bottom up, and stopped in reverse. */
import { join } from 'node:path'
import type { Database, DatabaseOptions } from '../db/database.ts'
import { countAllScheduled, selectManaged } from '../db/delayed-events.ts'
import { openDatabase } from '../db/open.ts'
import { selectSessionsByAccessToken } from '../db/sessions.ts'
import { Answers } from './accounts/answers.ts'
import type { Context as AccountsContext } from './accounts/context.ts'
import { loadIdentity } from './accounts/identity.ts'
import { readJwtKey } from './accounts/jwt-key.ts'
import { KnownSessions } from './accounts/known-sessions.ts'
import { LastSeen } from './accounts/last-seen.ts'
import { OnceTogether, pruneAnswers } from './accounts/once.ts'
import { pruneTickets } from './accounts/openid.ts'
import { Operator } from './accounts/operator.ts'
import { RegistrationNonces } from './accounts/registration-nonces.ts'
import { SessionEnds } from './accounts/session-ends.ts'
import { UiaSessions } from './accounts/uia-sessions.ts'
import { pruneDeletions, RoomDeletions } from './administration/room-deletions.ts'
import { AppServices } from './app-services/app-services.ts'
import type { Context as AppServicesContext } from './app-services/context.ts'
import { readRegistrations } from './app-services/registration-file.ts'
import { Transactions } from './app-services/transactions.ts'
import { type Config, databaseOptions } from './config.ts'
import type { Context as DelayedEventsContext } from './delayed-events/context.ts'
import { restartTogether } from './delayed-events/delayed-events.ts'
import { ManagedEvents } from './delayed-events/managed-events.ts'
import { pruneFinalised } from './delayed-events/retention.ts'
import { type Scheduling, scheduleTogether } from './delayed-events/schedule.ts'
import { ScheduledAtMost } from './delayed-events/scheduled-at-most.ts'
import { Scheduler } from './delayed-events/scheduler.ts'
import type { Context as EncryptionContext } from './encryption/context.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { type Log, makeLog } from './lib/log.ts'
import { Sweeper } from './lib/sweeper.ts'
import { Together } from './lib/together.ts'
import type { Context as MediaContext } from './media/context.ts'
import { pruneMedia } from './media/expiry.ts'
import { MediaFiles } from './media/files.ts'
import { Images } from './media/images.ts'
import { Metrics } from './metrics.ts'
import { RateLimits } from './rate-limits.ts'
import type { Requester } from './requester.ts'
import { Erasures } from './rooms/erasures.ts'
import { LatestEvents } from './rooms/latest-events.ts'
import { Restrictions } from './rooms/restrictions.ts'
import { RoomHeads } from './rooms/room-heads.ts'
import { roomMateTopics } from './rooms/room-mates.ts'
import { RuledRooms } from './rooms/ruled-rooms.ts'
import { type Message, sendMessages } from './rooms/send-event.ts'
import { RoomStates } from './rooms/state-before.ts'
import { UnreadCounts } from './rooms/unread-counts.ts'
import { Notifier } from './stream/notifier.ts'
import { StreamClock } from './stream/stream-clock.ts'
import type { Context as SyncContext } from './sync/context.ts'
import { KeyCounts } from './sync/key-counts.ts'
import { SyncReads } from './sync/reads.ts'
import { SlidingConnections } from './sync/sliding/connections.ts'
import type { Context as UserDataContext } from './user-data/context.ts'
import { Presence } from './user-data/presence.ts'
import { PushDelivery } from './user-data/push-delivery.ts'
import { Typing } from './user-data/typing.ts'

/** All of it. Each floor is given its part, as its own `context.ts` says. */
export interface Context
  extends AccountsContext,
    AppServicesContext,
    DelayedEventsContext,
    EncryptionContext,
    MediaContext,
    SyncContext,
    UserDataContext {
  readonly appServices: AppServices
  readonly keyCounts: KeyCounts
  readonly pushDelivery: PushDelivery
  readonly scheduler: Scheduler
  readonly typing: Typing
  readonly schedules: OnceTogether<Scheduling, { delay_id: string }>
  /** Messages that are to be sent. */
  readonly sends: OnceTogether<Message & { requester: Requester }, { event_id: string }>
  readonly operator: Operator
  readonly roomDeletions: RoomDeletions
  readonly transactions: Transactions
  readonly sweeper: Sweeper
  /** Undefined: nobody holds the clock. */
  readonly lab: Holder | undefined
}

/** Who holds the clock. What else there is of the laboratory is for the laboratory alone. */
export interface Holder {
  /** The server stops: whoever is held by a fault goes on. */
  letGo(): void
}

export interface RunningContext extends Context {
  /** Nobody waits any longer, for what happens here or elsewhere: whoever does is answered. */
  letGo(): void
  /** Let waiting requests go, finish what is being sent, close the database. Runs once. */
  stop(): Promise<void>
}

/** What the context is not to make itself. */
export interface Given {
  clock?: Clock
  log?: Log
  /** Instead of the one that the config names. */
  database?: DatabaseOptions
  /** Open already; whoever opened it closes it, after the context has stopped. */
  db?: Database
  lab?: Holder
  operator?: Operator
}

/**
 * Open the database, migrate it, and send what fell due while nobody was running.
 *
 * @throws DatabaseUnavailable, or ConfigError if the data belongs to another server name
 */
export async function createContext(config: Config, given: Given = {}): Promise<RunningContext> {
  const clock = given.clock ?? systemClock
  const log = given.log ?? makeLog(config.log_level)
  const { app_service_config_files: files, server_name: serverName } = config
  const appServices = new AppServices(readRegistrations(files, serverName))
  const jwtKey = readJwtKey(config)
  const db = given.db ?? (await openDatabase(given.database ?? databaseOptions(config)))
  const closeDatabase = given.db ? async () => undefined : () => db.close()
  const leaving = new AbortController()
  try {
    const signingKey = await loadIdentity(db, config.server_name)
    const notifier = new Notifier(clock)
    const positions = await StreamClock.start(db, notifier)
    const latestEvents = new LatestEvents()
    const syncReads = new SyncReads(db, clock, positions, latestEvents)
    const scheduler = new Scheduler()
    const restrictions = await Restrictions.start(db)
    const metrics = new Metrics({
      countScheduled: () => countAllScheduled(db),
      countWaiting: () => notifier.waiting(),
    })
    // PGlite does one thing at a time; on a server, who waits for one room holds nobody else up.
    const going = { most: 100, atOnce: db.engine === 'postgres' ? 2 : 1 }
    const context: Context = {
      config,
      clock,
      log,
      db,
      signingKey,
      positions,
      notifier,
      scheduler,
      sessions: new KnownSessions(
        db.sessionWrites,
        hashes => selectSessionsByAccessToken(db, hashes),
        going,
      ),
      sessionEnds: new SessionEnds(notifier, userId => restrictions.of(userId).isLocked),
      answers: new Answers(db, going),
      delayedEvents: new ManagedEvents(ids => selectManaged(db, ids), going),
      restarts: new Together(rows => restartTogether(context, rows), {
        ...going,
        keyOf: ({ delay_id }) => delay_id,
      }),
      scheduledAtMost: new ScheduledAtMost(),
      schedules: new OnceTogether(
        () => context,
        (tx, asked) => scheduleTogether(context, tx, asked),
        {
          ...going,
          keyOf: ({ requester }) => requester.userId,
        },
      ),
      sends: new OnceTogether(
        () => context,
        (tx, messages) => sendMessages(context, tx, messages),
        {
          ...going,
          keyOf: ({ roomId }) => roomId,
        },
      ),
      roomStates: new RoomStates(),
      roomHeads: new RoomHeads(),
      latestEvents,
      erasures: await Erasures.start(db),
      restrictions,
      rateLimits: new RateLimits(clock, config.rate_limits, limit => metrics.refused(limit)),
      metrics,
      sweeper: new Sweeper({ clock, log, everyMs: 3_600_000 }),
      uiaSessions: new UiaSessions(clock, config.uia_session_lifetime_ms),
      registrationNonces: new RegistrationNonces(clock),
      operator: given.operator ?? new Operator(),
      roomDeletions: new RoomDeletions(),
      presence: new Presence(clock, positions, userId =>
        notifier.during(roomMateTopics(context, userId)),
      ),
      appServices,
      typing: new Typing(clock, positions),
      syncReads,
      keyCounts: new KeyCounts(device => syncReads.keyCounts(device)),
      slidingConnections: new SlidingConnections(clock),
      unread: new UnreadCounts(latestEvents, new RuledRooms(notifier)),
      pushDelivery: new PushDelivery(),
      lastSeen: new LastSeen(clock, db),
      mediaFiles: await MediaFiles.start(config.media.dir ?? join(config.data_dir, 'media')),
      images: new Images(config.media.max_image_pixels),
      transactions: new Transactions(),
      stopping: leaving.signal,
      lab: given.lab,
      jwtKey,
    }
    await context.pushDelivery.start(context)
    await scheduler.start(context)
    context.sweeper.start([
      pruneFinalised(context),
      pruneAnswers(context),
      pruneTickets(context),
      pruneMedia(context),
      pruneDeletions(context),
      isStopped => context.pushDelivery.noteRead(isStopped),
      isStopped => db.clearDeadRows(isStopped),
    ])
    await context.roomDeletions.start(context)
    await context.transactions.start(context)

    const letGo = () => {
      context.lab?.letGo()
      notifier.stop()
      leaving.abort()
    }
    let stopped: Promise<void> | undefined
    const stop = async () => {
      letGo()
      await scheduler.stop()
      await context.sweeper.stop()
      await context.roomDeletions.stop()
      await context.transactions.stop()
      await context.pushDelivery.stop()
      context.typing.close()
      await context.presence.stop()
      // If the database is lost, so is this; all else is to be closed nevertheless.
      await context.lastSeen.write().catch(() => undefined)
      await positions.stop()
      await closeDatabase()
    }
    return {
      ...context,
      letGo,
      stop() {
        stopped ??= stop()
        return stopped
      },
    }
  } catch (error) {
    await closeDatabase()
    throw error
  }
}
