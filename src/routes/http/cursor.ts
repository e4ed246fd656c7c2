/**
 * Cursors of answers that have several pages. A cursor is opaque to clients and of use only in its own scope. The
 * checksum finds accidents and mix-ups. The content of a cursor is checked like any other input, because a client can
 * compute the checksum.
 */
import { decodeUtf8, encodeUtf8, equalBytes } from '../../lib/bytes.ts'
import { sha256 } from '../../lib/checksum.ts'
import { StillpointError } from '../../lib/errors.ts'

const sumBytes = 9
const cursorCharactersMax = 16 * 1024

/** `scope` has everything that must be the same when the cursor comes back. */
export function makeCursor(scope: readonly unknown[], position: readonly unknown[]): string {
  const payload = encodeUtf8(JSON.stringify(position))
  return Buffer.concat([sum(scope, payload), payload]).toString('base64url')
}

/** Throws `bad-cursor` when the text is not a cursor of the scope. */
export function readCursor(scope: readonly unknown[], cursor: string): unknown[] {
  if (cursor.length > cursorCharactersMax || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw badCursor()
  const bytes = new Uint8Array(Buffer.from(cursor, 'base64url'))
  const payload = bytes.subarray(sumBytes)
  if (!equalBytes(bytes.subarray(0, sumBytes), sum(scope, payload))) throw badCursor()
  const position = parsed(payload)
  if (!Array.isArray(position)) throw badCursor()
  return position
}

function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(payload))
  } catch {
    return null
  }
}

export const badCursor = (): StillpointError =>
  new StillpointError('bad-cursor', 'the cursor does not belong here; begin again without one')

function sum(scope: readonly unknown[], payload: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([encodeUtf8(`${JSON.stringify(scope)}\n`), payload])).subarray(0, sumBytes)
}
