import { Gather } from './gather.ts'

function echo() {
  const rounds: string[][] = []
  const gather = new Gather<string, string>(
    question => question,
    async questions => {
      rounds.push([...questions])
      if (questions.includes('fail')) throw new Error('broken')
      return questions.map(question => `${question}!`)
    },
  )
  return { gather, rounds }
}

test('what is asked at the same moment is asked together, and once', async () => {
  const { gather, rounds } = echo()
  const answers = await Promise.all([
    gather.ask(['a', 'b']),
    gather.ask(['b']),
    Promise.resolve().then(() => gather.ask(['c', 'a', 'c'])),
  ])
  expect(answers).toEqual([['a!', 'b!'], ['b!'], ['c!', 'a!', 'c!']])
  expect(rounds).toEqual([['a', 'b', 'c']])
})

test('nothing is kept: what is asked later is asked anew', async () => {
  const { gather, rounds } = echo()
  await gather.ask(['a'])
  await gather.ask(['a'])
  expect(rounds).toEqual([['a'], ['a']])
})

test('what is asked while an answer is under way is not given that answer', async () => {
  const later: { answers?: Promise<string[]> } = {}
  const rounds: number[] = []
  const gather = new Gather<string, string>(
    question => question,
    async questions => {
      rounds.push(questions.length)
      later.answers ??= gather.ask(['a'])
      return questions.map(() => `in round ${rounds.length}`)
    },
  )
  expect(await gather.ask(['a'])).toEqual(['in round 1'])
  expect(await later.answers).toEqual(['in round 2'])
})

test('who asks for nothing asks nobody', async () => {
  const { gather, rounds } = echo()
  expect(await gather.ask([])).toEqual([])
  expect(rounds).toEqual([])
})

test('a failure is told to all who asked, and to nobody else', async () => {
  const { gather } = echo()
  const [one, other] = await Promise.allSettled([gather.ask(['fail']), gather.ask(['a'])])
  expect([one.status, other.status]).toEqual(['rejected', 'rejected'])
  expect(await gather.ask(['a'])).toEqual(['a!'])
})
