/**
 * The process of a sandbox: it answers questions from its standard input, one after another, until the input ends.
 * Nothing that it is sent by a stranger ends it other than by a limit.
 */
import { concatBytes, decodeUtf8, encodeUtf8 } from '../../lib/bytes.ts'
import { askFile } from './ask-file.ts'
import { boundCpu, confine } from './confine.ts'
import type { Head, Question, SandboxSetting } from './question.ts'

/** Yields the lines of a stream, without their ends. */
async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest: Uint8Array[] = []
  for await (const piece of stream) {
    let from = 0
    for (let end = piece.indexOf(10); end !== -1; end = piece.indexOf(10, from)) {
      yield decodeUtf8(Buffer.concat([...rest, piece.subarray(from, end)]))
      rest = []
      from = end + 1
    }
    rest.push(piece.slice(from))
  }
}

export async function runSandbox(): Promise<void> {
  const output = Bun.stdout.writer()
  const say = async (head: Head, rows: Uint8Array): Promise<void> => {
    await output.write(concatBytes(encodeUtf8(`${JSON.stringify(head)}\n`), rows))
    await output.flush()
  }
  let setting: SandboxSetting | null = null
  for await (const line of linesOf(Bun.stdin.stream())) {
    if (setting === null) {
      setting = JSON.parse(line) as SandboxSetting
      await say({ kind: 'ready', isConfined: confine(setting.bounds.memoryBytesMax) }, new Uint8Array(0))
      continue
    }
    boundCpu(setting.bounds.msMax)
    const { head, rows } = askFile(setting, JSON.parse(line) as Question)
    await say(head, rows)
  }
}

if (import.meta.main) await runSandbox()
