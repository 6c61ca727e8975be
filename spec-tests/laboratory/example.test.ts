import { startHomeserver } from 'hourglass/testing'

test('a call that dies is left', async () => {
  const hs = await startHomeserver()
  const { accessToken, baseUrl } = await hs.user('u1')
  const call = async (method: string, path: string, body: object) => {
    const headers = { Authorization: `Bearer ${accessToken}` }
    const url = `${baseUrl}/_matrix/client/${path}`
    const answer = await fetch(url, { method, headers, body: JSON.stringify(body) })
    return (await answer.json()) as Record<string, string>
  }
  const { room_id: room } = await call('POST', 'v3/createRoom', {})
  const leave = `v3/rooms/${room}/state/org.matrix.msc3401.call.member/u1`
  const { delay_id } = await call('PUT', `${leave}?org.matrix.msc4140.delay=8000`, {})

  await hs.advance('5s')
  await call('POST', `unstable/org.matrix.msc4140/delayed_events/${delay_id}/restart`, {})
  expect(await hs.advance('7999ms')).toEqual([])
  expect(await hs.advance('1ms')).toMatchObject([{ delay_id, outcome: 'sent' }])
  await hs.stop()
})
