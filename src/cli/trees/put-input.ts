/**
 * Sends what is piped into the command. A producer may pause for as long as it likes: what has come is gathered here, and
 * no request waits for the producer. Input of one part is one request; longer input goes in parts to a file beside the
 * target, which takes the target's place in one step.
 *
 * Memory: two parts.
 */
import { ClientError } from '../../../sdk/src/client-error.ts'
import type { Client } from '../../../sdk/src/client.ts'
import type { WrittenEntry } from '../../../sdk/src/contract.ts'
import type { Writing } from '../../../sdk/src/wishes.ts'

const partBytesDefault = 8 * 2 ** 20

interface InputTools {
  /** Asks once. */
  readonly client: Client
  /** Waits for a server that is away. */
  readonly patient: Client
  readonly partBytes?: number
}

export async function putInput(
  { client, patient, partBytes = partBytesDefault }: InputTools,
  path: string,
  input: ReadableStream<Uint8Array>,
  writing: Writing,
): Promise<WrittenEntry> {
  const reader: Reader = input.getReader()
  const pieces: Uint8Array[] = []
  let bytes = 0
  while (bytes < partBytes) {
    const { value, done } = await read(reader)
    if (done) return client.put(path, Buffer.concat(pieces), writing)
    pieces.push(value)
    bytes += value.length
  }
  // The address may be wrong, which nobody should learn after minutes.
  await client.administration.newestCp({ signal: writing.signal })
  return patient.upload(path, inOrder(pieces, reader), { ...writing, partBytes })
}

/** The part of a reader that is used. */
interface Reader {
  read(): Promise<{ done: false; value: Uint8Array } | { done: true; value?: unknown }>
}

async function* inOrder(pieces: Uint8Array[], reader: Reader): AsyncGenerator<Uint8Array> {
  yield* pieces.splice(0)
  for (;;) {
    const { value, done } = await read(reader)
    if (done) return
    yield value
  }
}

async function read(reader: Reader) {
  try {
    return await reader.read()
  } catch (cause) {
    throw new ClientError('bad-body', 'standard input could not be read', { cause })
  }
}
