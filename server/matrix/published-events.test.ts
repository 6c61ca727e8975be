import { contentHash, eventIdOf } from './event-id.ts'
import { type Redactable, redact } from './redact.ts'
import { roomVersions } from './room-versions.ts'
import { parseSigningKey, signEvent, verifyJson } from './signing.ts'

/**
 * Events of public rooms and of other projects' tests, made and signed by other servers. Whatever
 * goes wrong with canonical JSON, hashes, redaction or signatures goes wrong here.
 */
interface PublishedEvent {
  name: string
  version: string
  eventId: string
  /** The published keys of those who signed it, where known. */
  keys: { server: string; keyId: string; publicKey: string }[]
  event: Redactable & {
    hashes: { sha256: string }
    signatures: Record<string, Record<string, string>>
    [key: string]: unknown
  }
}

// biome-ignore format: one event per line, as published
const published: PublishedEvent[] = [
  {name:'a create event',version:'3',eventId:'$RrGxF28UrHLmoASHndYb9Jb/1SFww2ptmtur9INS438',keys:[],event:{auth_events:[],prev_events:[],type:'m.room.create',room_id:'!uXDCzlYgCTHtiWCkEx:jki.re',sender:'@erikj:jki.re',content:{room_version:'5',predecessor:{room_id:'!gdRMqOrTFdOCYHNwOo:half-shot.uk',event_id:'$LP7ROBc4b+cMc1UE9haIz8q5AK2AIW4eJ90FfKLvyZI'},creator:'@erikj:jki.re'},depth:1,prev_state:[],state_key:'',origin:'jki.re',origin_server_ts:1560284621137,hashes:{sha256:'IX6zuNiJpJPNf70BLleL3HSCpjKeq9Uhu7uUpyDjBmc'},signatures:{'jki.re':{'ed25519:auto':'O4IyFfF2PPtGp5uaDm8t57dZbdh8vc8Q64LgCwvzYRVItAMI0uisfiAFaxkVT7MRpzh6N2QNN5NMRXZKmgPYDA'}},unsigned:{age:1321650}}},
  {name:'the same create event',version:'4',eventId:'$RrGxF28UrHLmoASHndYb9Jb_1SFww2ptmtur9INS438',keys:[],event:{auth_events:[],prev_events:[],type:'m.room.create',room_id:'!uXDCzlYgCTHtiWCkEx:jki.re',sender:'@erikj:jki.re',content:{room_version:'5',predecessor:{room_id:'!gdRMqOrTFdOCYHNwOo:half-shot.uk',event_id:'$LP7ROBc4b+cMc1UE9haIz8q5AK2AIW4eJ90FfKLvyZI'},creator:'@erikj:jki.re'},depth:1,prev_state:[],state_key:'',origin:'jki.re',origin_server_ts:1560284621137,hashes:{sha256:'IX6zuNiJpJPNf70BLleL3HSCpjKeq9Uhu7uUpyDjBmc'},signatures:{'jki.re':{'ed25519:auto':'O4IyFfF2PPtGp5uaDm8t57dZbdh8vc8Q64LgCwvzYRVItAMI0uisfiAFaxkVT7MRpzh6N2QNN5NMRXZKmgPYDA'}},unsigned:{age:1321650}}},
  {name:'a create event with prev_state',version:'4',eventId:'$ay_9_nPilrTpb3UxIwHHBBfFjTJb6hBAE_JzQwSjqeY',keys:[{server:'matrix.org',keyId:'ed25519:auto',publicKey:'Noi6WqcDj0QmPxCNQqgezwTlBKrfqehY1u2FyWP9uYw'}],event:{auth_events:[],prev_events:[],type:'m.room.create',room_id:'!jxlRxnrZCsjpjDubDX:matrix.org',sender:'@neilj:matrix.org',content:{room_version:'4',predecessor:{room_id:'!DYgXKezaHgMbiPMzjX:matrix.org',event_id:'$156171636353XwPJT:matrix.org'},creator:'@neilj:matrix.org'},depth:1,prev_state:[],state_key:'',origin:'matrix.org',origin_server_ts:1561716363993,hashes:{sha256:'9tj8GpXjTAJvdNAbnuKLemZZk+Tjv2LAbGodSX6nJAo'},signatures:{'matrix.org':{'ed25519:auto':'2+sNt8uJUhzU4GPxnFVYtU2ZRgFdtVLT1vEZGUdJYN40zBpwYEGJy+kyb5matA+8/yLeYD9gu1O98lhleH0aCA'}},unsigned:{age:104769}}},
  {name:'an event with keys beyond U+FFFF',version:'4',eventId:'$kAagtZAIEeZaLVCUSl74tAxQbdKbE22GU7FM-iAJBc0',keys:[{server:'maunium.net',keyId:'ed25519:a_xxeS',publicKey:'lVt/CC3tv74OH6xTph2JrUmeRj/j+1q0HVa0Xf4QlCg'}],event:{auth_events:['$VtuCNOfAWGow-cxy0ajeK3fvONcC8QzF2yWa43g0Gwo','$ay_9_nPilrTpb3UxIwHHBBfFjTJb6hBAE_JzQwSjqeY','$Gau_XwziYsr-rt3SouhbKN14twgmbKjcZZc_hz-nOgU'],content:{'🐈️':true,'🐕️':false},depth:69645,hashes:{sha256:'VHtWyCt+15ZesNnStU3FOkxrjzHJYZfd3JUgO9JWe0s'},origin_server_ts:1755423939146,prev_events:['$exmp4cj0OKOFSxuqBYiOYwQi5j_0XRc78d6EavAkhy0'],room_id:'!jxlRxnrZCsjpjDubDX:matrix.org',sender:'@tulir:maunium.net',type:'🐈️',signatures:{'maunium.net':{'ed25519:a_xxeS':'wfmP1XN4JBkKVkqrQnwysyEUslXt8hQRFwN9NC9vJaIeDMd0OJ6uqCas75808DuG71p23fzqbzhRnHckst6FCQ'}},unsigned:{age_ts:1755423939164}}},
  {name:'a message',version:'5',eventId:'$Qn4tHfuAe6PlnKXPZnygAU9wd6RXqMKtt_ZzstHTSgA',keys:[{server:'maunium.net',keyId:'ed25519:a_xxeS',publicKey:'lVt/CC3tv74OH6xTph2JrUmeRj/j+1q0HVa0Xf4QlCg'}],event:{auth_events:['$hp0ImHqYgHTRbLeWKPeTeFmxdb5SdMJN9cfmTrTk7d0','$KAj7X7tnJbR9qYYMWJSw-1g414_KlPptbbkZm7_kUtg','$V-2ShOwZYhA_nxMijaf3lqFgIJgzE2UMeFPtOLnoBYM'],content:{body:'meow','com.beeper.linkpreviews':[],'m.mentions':{},msgtype:'m.text'},depth:2248,hashes:{sha256:'kV+JuLbWXJ2r6PjHT3wt8bFc/TfI1nTaSN3Lamg/xHs'},origin_server_ts:1755422945654,prev_events:['$49lFLem2Nk4dxHk9RDXxTdaq9InIJpmkHpzVnjKcYwg'],room_id:'!vzBgJsjNzgHSdWsmki:mozilla.org',sender:'@tulir:maunium.net',type:'m.room.message',signatures:{'maunium.net':{'ed25519:a_xxeS':'JIl60uVgfCLBZLPoSiE7wVkJ9U5cNEPVPuv1sCCYUOq5yOW56WD1adgpBUdX2UFpYkCHvkRnyQGxU0+6HBp5BA'}},unsigned:{age_ts:1755422945673}}},
  {name:'a create event',version:'10',eventId:'$tn1FZUI_YUpfTr_a3Y_r8kC3inliIZZratzg0UsNdCQ',keys:[{server:'envs.net',keyId:'ed25519:a_zIqy',publicKey:'vCUcZpt9hUn0aabfh/9GP/6sZvXcydww8DUstPHdJm0'}],event:{auth_events:[],content:{creator:'@creme:envs.net',predecessor:{event_id:'$BxYNisKcyBDhPLiVC06t18qhv7wsT72MzMCqn5vRhfY',room_id:'!tEyFYiMHhwJlDXTxwf:envs.net'},room_version:'10'},depth:1,hashes:{sha256:'us3TrsIjBWpwbm+k3F9fUVnz9GIuhnb+LcaY47fWwUI'},origin:'envs.net',origin_server_ts:1664394769527,prev_events:[],room_id:'!UzZHbJYcgggctGnlzr:envs.net',sender:'@creme:envs.net',state_key:'',type:'m.room.create',signatures:{'envs.net':{'ed25519:a_zIqy':'0g3FDaD1e5BekJYW2sR7dgxuKoZshrf8P067c9+jmH6frsWr2Ua86Ax08CFa/n46L8uvV2SGofP8iiVYgXCRBg'}},unsigned:{age:2060}}},
  {name:'power levels',version:'10',eventId:'$T20EETjD2OuaC1OVyg8iIbJGTNeGBsMiWoAagBOVRNE',keys:[{server:'hs1',keyId:'ed25519:a_HDhg',publicKey:'7dhilbxkbkcIAYMVc2yqRQ8mqfeVhuY9dU0hLvYpQFM'}],event:{auth_events:['$0AQU5dG_mtjH6qavAxYrQsDC0a_-6T3DHs1yoxf5fz4','$tZRt2bwceX4sG913Ee67tJiwe-gk859kY2mCeYSncw8'],prev_events:['$tZRt2bwceX4sG913Ee67tJiwe-gk859kY2mCeYSncw8'],type:'m.room.power_levels',room_id:'!uTqsSSWabZzthsSCNf:hs1',sender:'@admin:hs1',content:{users:{'@admin:hs1':100,'@asd6:rc1':100},users_default:0,events:{'m.room.name':50,'m.room.power_levels':100,'m.room.history_visibility':100,'m.room.canonical_alias':50,'m.room.avatar':50,'m.room.tombstone':100,'m.room.server_acl':100,'m.room.encryption':100},events_default:0,state_default:50,ban:50,kick:50,redact:50,invite:0,historical:100},depth:3,state_key:'',origin:'hs1',origin_server_ts:1733107418713,hashes:{sha256:'7Sv2UTnpNI9qnVO1oXaNoj1SEraxoWTm9uloqm3Oqho'},signatures:{hs1:{'ed25519:a_HDhg':'UBNpsQBCDX7t6cPHSj+g4bfAf/9Gb1TxYnme2MCXF4JgN7P3X0OUq0leFjrI5p/+sTR60/nuaZCX7OUYWTTLDA'}},unsigned:{age_ts:1733107418713}}},
  {name:'a message',version:'11',eventId:'$qkWfTL7_l3oRZO2CItW8-Q0yAmi_l_1ua629ZDqponE',keys:[{server:'maunium.net',keyId:'ed25519:a_xxeS',publicKey:'lVt/CC3tv74OH6xTph2JrUmeRj/j+1q0HVa0Xf4QlCg'}],event:{auth_events:['$L8Ak6A939llTRIsZrytMlLDXQhI4uLEjx-wb1zSg-Bw','$QJmr7mmGeXGD4Tof0ZYSPW2oRGklseyHTKtZXnF-YNM','$7bkKK_Z-cGQ6Ae4HXWGBwXyZi3YjC6rIcQzGfVyl3Eo'],content:{body:'meow','com.beeper.linkpreviews':[],'m.mentions':{},msgtype:'m.text'},depth:3212,hashes:{sha256:'K549YdTnv62Jn84Y7sS5ZN3+AdmhleZHbenbhUpR2R8'},origin_server_ts:1754242687127,prev_events:['$DAhJg4jVsqk5FRatE2hbT1dSA8D2ASy5DbjEHIMSHwY'],room_id:'!offtopic-2:continuwuity.org',sender:'@tulir:maunium.net',type:'m.room.message',signatures:{'maunium.net':{'ed25519:a_xxeS':'SkzZdZ+rH22kzCBBIAErTdB0Vg6vkFmzvwjlOarGul72EnufgtE/tJcd3a8szAdK7f1ZovRyQxDgVm/Ib2u0Aw'}},unsigned:{age_ts:1754242687146}}},
  {name:'a redacted membership with two signatures',version:'11',eventId:'$r6d9m125YWG28-Tln47bWtm6Jlv4mcSUWJTHijBlXLQ',keys:[{server:'nova.astraltech.org',keyId:'ed25519:a_afpo',publicKey:'O1Y9GWuKo9xkuzuQef6gROxtTgxxAbS3WPNghPYXF3o'},{server:'continuwuity.org',keyId:'ed25519:PwHlNsFu',publicKey:'8eNx2s0zWW+heKAmOH5zKv/nCPkEpraDJfGHxDu6hFI'}],event:{auth_events:['$9f12-_stoY07BOTmyguE1QlqvghLBh9Rk6PWRLoZn_M','$IP8hyjBkIDREVadyv0fPCGAW9IXGNllaZyxqQwiY_tA','$7dN5J8EveliaPkX6_QSejl4GQtem4oieavgALMeWZyE'],content:{membership:'join'},depth:96978,hashes:{sha256:'APYA/aj3u+P0EwNaEofuSIlfqY3cK3lBz6RkwHX+Zak'},origin_server_ts:1755664164485,prev_events:['$XBN9W5Ll8VEH3eYqJaemxCBTDdy0hZB0sWpmyoUp93c'],room_id:'!main-1:continuwuity.org',sender:'@6a19abdd4766:nova.astraltech.org',state_key:'@6a19abdd4766:nova.astraltech.org',type:'m.room.member',signatures:{'continuwuity.org':{'ed25519:PwHlNsFu':'+b/Fp2vWnC+Z2lI3GnCu7ZHdo3iWNDZ2AJqMoU9owMtLBPMxs4dVIsJXvaFq0ryawsgwDwKZ7f4xaFUNARJSDg'},'nova.astraltech.org':{'ed25519:a_afpo':'pXIngyxKukCPR7WOIIy8FTZxQ5L2dLiou5Oc8XS4WyY4YzJuckQzOaToigLLZxamfbN/jXbO+XUizpRpYccDAA'}},unsigned:{}}},
  {name:'a create event, whose id is that of its room',version:'12',eventId:'$mauT12AzsoqxV7Abvy_ApA-HNPK1LcT4GbP70_AOPyQ',keys:[{server:'maunium.net',keyId:'ed25519:a_xxeS',publicKey:'lVt/CC3tv74OH6xTph2JrUmeRj/j+1q0HVa0Xf4QlCg'}],event:{auth_events:[],content:{'fi.mau.randomness':'AAXZ6aIc',predecessor:{room_id:'!#test/room\nversion <u>11</u>, with @🐈️:maunium.net'},room_version:'12'},depth:1,hashes:{sha256:'d3L1M3KUdyIKWcShyW6grUoJ8GOjCdSIEvQrDVHSpE8'},origin_server_ts:1754940000000,prev_events:[],sender:'@tulir:maunium.net',state_key:'',type:'m.room.create',signatures:{'maunium.net':{'ed25519:a_xxeS':'ebjIRpzToc82cjb/RGY+VUzZic0yeRZrjctgx0SUTJxkprXn3/i1KdiYULfl/aD0cUJ5eL8gLakOSk2glm+sBw'}},unsigned:{age_ts:1754939139045}}},
  {name:'a membership',version:'12',eventId:'$accqGxfvhBvMP4Sf6P7t3WgnaJK6UbonO2ZmwqSE5Sg',keys:[{server:'maunium.net',keyId:'ed25519:a_xxeS',publicKey:'lVt/CC3tv74OH6xTph2JrUmeRj/j+1q0HVa0Xf4QlCg'}],event:{auth_events:[],content:{avatar_url:'mxc://maunium.net/jdlSfvudiMSmcRrleeiYjjFO',displayname:'tulir',membership:'join'},depth:2,hashes:{sha256:'IebdOBYaaWYIx2zq/lkVCnjWIXTLk1g+vgFpJMgd2/E'},origin_server_ts:1754939139117,prev_events:['$mauT12AzsoqxV7Abvy_ApA-HNPK1LcT4GbP70_AOPyQ'],room_id:'!mauT12AzsoqxV7Abvy_ApA-HNPK1LcT4GbP70_AOPyQ',sender:'@tulir:maunium.net',state_key:'@tulir:maunium.net',type:'m.room.member',signatures:{'maunium.net':{'ed25519:a_xxeS':'rFCgF2hmavdm6+P6/f7rmuOdoSOmELFaH3JdWjgBLZXS2z51Ma7fa2v2+BkAH1FvBo9FLhvEoFVM4WbNQLXtAA'}},unsigned:{age_ts:1754939139117}}},
]

const versionOf = ({ version }: PublishedEvent) => {
  const found = roomVersions.get(version)
  if (!found) throw new Error(`No room version ${version}`)
  return found
}
const isWhole = ({ name }: PublishedEvent) => !name.includes('redacted')

describe.each(published)('$name in a room of version $version', row => {
  const version = versionOf(row)
  const redacted = redact(row.event, version)

  test('has the published id, redacted or not', () => {
    expect(eventIdOf(row.event, version)).toBe(row.eventId)
    expect(eventIdOf(redacted, version)).toBe(row.eventId)
  })

  for (const { server, keyId, publicKey } of row.keys) {
    test(`is signed by ${server}`, () => {
      expect(verifyJson(redacted, server, keyId, publicKey)).toBe(true)
      const forged = { ...redacted, sender: '@mallory:example.org' }
      expect(verifyJson(forged, server, keyId, publicKey)).toBe(false)
    })
  }
})

test.each(published.filter(isWhole))('$name in version $version has its content hash', row => {
  expect(contentHash(row.event)).toBe(row.event.hashes.sha256)
})

test('in version 12 the event id of the create event is the room id of the next event', () => {
  const inRoom = published.filter(({ version }) => version === '12')
  const create = inRoom.find(({ event }) => event.type === 'm.room.create')
  const member = inRoom.find(({ event }) => event.type === 'm.room.member')
  expect(member?.event.room_id).toBe(create?.eventId.replace('$', '!'))
})

test('an event of Synapse is signed here with the very same bytes', () => {
  // The key is published with the events of the room !uTqsSSWabZzthsSCNf:hs1.
  const key = parseSigningKey('ed25519 a_HDhg WntaJ4JP5WbZZjDShjeuwqCybQ5huaZAiowji7tnIEw')
  const rows = published.filter(({ keys }) => keys[0]?.server === 'hs1')
  expect(rows).not.toHaveLength(0)
  for (const row of rows) {
    expect(key.publicKey).toBe(row.keys[0]?.publicKey)
    const { signatures, ...unsigned } = row.event
    expect(signEvent({ ...unsigned }, versionOf(row), 'hs1', key).signatures).toEqual(signatures)
  }
})
