/**
 * A process with one js-sdk client that watches the call of a room until killed: it reports every
 * call membership that comes down its sync, and how many people the SDK counts in the call.
 */
import { RoomEvent } from 'matrix-js-sdk'
import { MatrixRTCSessionEvent } from 'matrix-js-sdk/lib/matrixrtc/index.js'
import { callMemberType, connect, given, type Login, report } from './clients.ts'

const { client, room } = await connect(given<Login>())

client.on(RoomEvent.Timeline, (event, timelineRoom, _toStart, _removed, { liveEvent }) => {
  if (!liveEvent || timelineRoom?.roomId !== room.roomId) return
  if (event.getType() !== callMemberType) return
  report({
    what: 'membership',
    at: Date.now(),
    membership: {
      eventId: event.getId() ?? '',
      sender: event.getSender() ?? '',
      stateKey: event.getStateKey() ?? '',
      originServerTs: event.getTs(),
      content: event.getContent(),
    },
  })
})

client.matrixRTC
  .getRoomSession(room)
  .on(MatrixRTCSessionEvent.MembershipsChanged, (_before, { length: count }) => {
    report({ what: 'participants', at: Date.now(), count })
  })

report({ what: 'synced', at: Date.now() })
