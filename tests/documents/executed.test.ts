/**
 * The commands of the documents, run as they stand: in a fresh checkout, with real servers on the ports that the documents
 * name. An answer that a comment shows is what is answered, but for what `…` leaves out.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { projectFiles } from '../../tools/project-files.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'
import { type Block, blocksOf } from './blocks.ts'
import { OwnMachine, ownMachineProblem } from './own-machine.ts'

const root = join(import.meta.dir, '../..')
const testMsMax = 180_000
const blockMsMax = 60_000
const problem = ownMachineProblem()
/** The folders of a checkout that no command of a document needs. */
const notNeeded = /^(tests|bench|tools)\//

const folder = temporaryFolders()
const machines: OwnMachine[] = []
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.end()
})

/** A checkout in which `npm install` was run, and `stillpoint` on the path. */
async function freshCheckout(): Promise<{ readonly machine: OwnMachine; readonly checkout: string }> {
  const place = folder()
  const [checkout, home] = [join(place, 'checkout'), join(place, 'home')]
  for (const path of projectFiles(root)) {
    if (notNeeded.test(path)) continue
    mkdirSync(dirname(join(checkout, path)), { recursive: true })
    cpSync(join(root, path), join(checkout, path))
  }
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'))
  mkdirSync(join(home, 'bin'), { recursive: true })
  const program = join(home, 'bin/stillpoint')
  writeFileSync(program, `#!/bin/sh\nexec node ${join(checkout, 'scripts/stillpoint.mjs')} "$@"\n`)
  chmodSync(program, 0o755)
  // The folder that the documents call ./site.
  mkdirSync(join(checkout, 'site'))
  writeFileSync(join(checkout, 'site/index.html'), '<h1>hello</h1>')
  const machine = await OwnMachine.start(checkout, home)
  machines.push(machine)
  return { machine, checkout }
}

const isReady = /^(ready |Try:\n( {2}.*\n){3})/m

/** A server stops with success; npm says that it was interrupted. */
async function stopTerminals(machine: OwnMachine): Promise<void> {
  for (const code of await machine.stopAll()) expect([0, 128 + constants.signals.SIGINT]).toContain(code)
}

async function runBlock(machine: OwnMachine, { document, line, text }: Block): Promise<void> {
  const ended = await machine.run(text, blockMsMax)
  expect({ block: `${document}:${line}`, ...ended }).toMatchObject({ code: 0 })
  for (const [, shown] of text.matchAll(/ # (\{.*)$/gm))
    for (const piece of shown!.split('…')) expect(ended.out).toContain(piece.trim())
}

/** Gives what the terminals have said. */
async function runAll(machine: OwnMachine, blocks: readonly Block[]): Promise<string> {
  let said = ''
  for (const block of blocks) {
    if (block.fate?.kind === 'run') await runBlock(machine, block)
    if (block.fate?.kind !== 'terminals') continue
    await stopTerminals(machine)
    for (const command of joined(block.text)) said += await machine.open(command, isReady)
  }
  return said
}

/** The lines of a block without their comments; one that ends in a backslash goes on in the next one. */
const joined = (text: string): string[] =>
  text
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/\s+# .*$/, ''))
    .filter((line) => line !== '')

const blocksIn = (document: string): Block[] => blocksOf(document, readFileSync(join(root, document), 'utf8'))
const executed = projectFiles(root)
  .filter((path) => path.endsWith('.md'))
  .filter((path) => blocksIn(path).some(({ fate }) => fate?.kind === 'run'))

describe.skipIf(problem !== null)(`on a machine of its own${problem === null ? '' : ` (${problem})`}`, () => {
  test.each(executed)(
    'the commands of %s',
    async (document) => {
      const { machine } = await freshCheckout()
      const blocks = blocksIn(document)
      // A document that starts no server is about the pair of `npm start`.
      if (!blocks.some(({ fate }) => fate?.kind === 'terminals')) await machine.open('npm start', isReady)
      await runAll(machine, blocks)
      await stopTerminals(machine)
    },
    testMsMax,
  )

  test(
    'what `npm start` says can be pasted in one go, also a second time',
    async () => {
      const { machine, checkout } = await freshCheckout()
      for (const time of ['first', 'second']) {
        const said = await machine.open('npm start', isReady)
        const pasted = said.slice(said.indexOf('Try:\n') + 5)
        const { code, out, err } = await machine.run(pasted, blockMsMax)
        expect({ time, code, err }).toEqual({ time, code: 0, err: '' })
        expect(out).toContain(readFileSync(join(checkout, 'package.json'), 'utf8'))
        expect(out).toContain('"name":"package.json"')
        await stopTerminals(machine)
      }
      expect(existsSync(join(checkout, 'data/primary/volume.blk'))).toBeTrue()
    },
    testMsMax,
  )
})
