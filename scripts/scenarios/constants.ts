/** What Element Call takes unless it is told otherwise. */
export const heartbeat = { delayMs: 8_000, restartMs: 5_000 }

/** The state event by which a device is in a call. */
export const callMember = 'org.matrix.msc3401.call.member'
/** The sticky event by which it is, where a call keeps its memberships in those (MSC4354). */
export const stickyMember = 'org.matrix.msc4143.rtc.member'
