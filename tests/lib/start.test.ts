import { expect, test } from 'bun:test'

test('the sums are those of the specifications, or no process begins', async () => {
  // Loaded here: sums of another kind fail this test instead of the loading of its file.
  const { xxh3 } = await import('../../src/lib/checksum.ts')
  const { knownInput } = await import('../../src/lib/known-answers.ts')
  expect(xxh3(knownInput(4096), 0xdeadbeef).toReversed().toHex()).toBe('7b4527c6884b263c')
})
