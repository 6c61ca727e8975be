import { Together } from './together.ts'

/** Serves each input as itself, when it is let go; remembers who went with whom. */
function held(most = 100, atOnce = 1, keyOf?: (input: string) => string) {
  const goes: string[][] = []
  const letGo: (() => void)[] = []
  const together = new Together<string, string>(
    async inputs => {
      goes.push([...inputs])
      await new Promise<void>(resolve => {
        letGo.push(resolve)
      })
      return inputs
    },
    { most, atOnce, ...(keyOf && { keyOf }) },
  )
  return { together, goes, next: () => letGo.shift()?.() }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

test('one goes alone at once, and whoever comes meanwhile goes together, in order', async () => {
  const { together, goes, next } = held()
  const first = together.do('a')
  await turn()
  expect(goes).toEqual([['a']])
  const others = [together.do('b'), together.do('c')]
  await turn()
  expect(goes).toEqual([['a']])
  next()
  expect(await first).toBe('a')
  await turn()
  expect(goes).toEqual([['a'], ['b', 'c']])
  next()
  expect(await Promise.all(others)).toEqual(['b', 'c'])
})

test('no more go together than may', async () => {
  const { together, goes, next } = held(2)
  const all = ['a', 'b', 'c'].map(input => together.do(input))
  for (let i = 0; i < 2; i++) {
    await turn()
    next()
    await turn()
  }
  expect(await Promise.all(all)).toEqual(['a', 'b', 'c'])
  expect(goes).toEqual([['a', 'b'], ['c']])
})

test('the same key is under way once; who has another goes beside it', async () => {
  const { together, goes, next } = held(100, 2, input => input.slice(0, 1))
  const all = [together.do('a1')]
  await turn()
  all.push(together.do('a2'), together.do('b1'))
  await turn()
  expect(goes).toEqual([['a1'], ['b1']])
  next()
  await turn()
  await turn()
  expect(goes).toEqual([['a1'], ['b1'], ['a2']])
  next()
  next()
  expect(await Promise.all(all)).toEqual(['a1', 'a2', 'b1'])
})

test('an error that is given for one is for that one', async () => {
  const together = new Together<number, number>(
    async inputs => inputs.map(n => (n === 2 ? new Error('two') : n)),
    { most: 100, atOnce: 1 },
  )
  const settled = await Promise.allSettled([1, 2, 3].map(n => together.do(n)))
  expect(settled).toMatchObject([{ value: 1 }, { reason: { message: 'two' } }, { value: 3 }])
})

test('if a go throws, each goes alone, and only who throws again is told', async () => {
  const goes: number[][] = []
  const together = new Together<number, number>(
    async inputs => {
      goes.push([...inputs])
      if (inputs.includes(2)) throw new Error('two')
      return inputs
    },
    { most: 100, atOnce: 1 },
  )
  const settled = await Promise.allSettled([1, 2, 3].map(n => together.do(n)))
  expect(settled).toMatchObject([{ value: 1 }, { reason: { message: 'two' } }, { value: 3 }])
  expect(goes).toEqual([[1, 2, 3], [1], [2], [3]])
  expect(await together.do(4)).toBe(4)
})
