/** A primary whose volume holds what only a later program can read: its mirror shows nothing of it, and both say why. */
import { expect, test } from 'bun:test'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { rootLayout } from '../../src/format/disk/root.ts'
import { nowhere } from '../../src/format/wire/messages.ts'
import { editBelowRoot, raiseVersion } from '../cp-engine/volume/later-program.ts'
import { putRecord } from '../cp-engine/workload.ts'
import { Pair } from './pair.ts'

test('a node of its tree: the root is never published', async () => {
  const pair = await Pair.create({ seed: 4 })
  await putRecord(pair.engine, 2, 2)
  await pair.engine.requestCp('requested')
  // Both slots name one root, as the edit expects.
  await pair.engine.writeSuperblock()
  pair.mirrors.close()
  await pair.engine.close()
  await editBelowRoot(pair.primaryDevice, [rootLayout.at.fileTree], raiseVersion)

  await pair.openPrimary()
  await pair.join()
  let seen = ''
  for (let i = 0; i < 1000 && !seen.includes('newer version'); i++) {
    await pair.clock.advance(10)
    seen = (await pair.mirrors.list())[0]!.needs ?? ''
  }
  expect(seen).toContain('tree node: its version is 2')
  expect(pair.applier.status().needs).toBe('a-newer-version')
  expect(pair.mirrorVolume.currentOrNull()).toBeNull()
  // It has received what the root uses, in blocks that nothing names.
  expect(pair.applier.status()).toMatchObject({ stage: 'idle', published: nowhere })
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
  expect(pair.failures).toEqual([])
  pair.mirrors.close()
})
