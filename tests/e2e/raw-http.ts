/** Bytes to a port, and what comes back: for requests that no client library would send. */
import { connect } from 'node:net'

export interface RawAnswer {
  /** Null: the connection was closed without one. */
  readonly status: number | null
  readonly text: string
}

const answerMsMax = 3000

/**
 * Sends the parts and reads until the server has answered, has closed, or says nothing more for a while. `end`: our
 * side is closed after the last byte, as by a client that has gone.
 */
export function sendRaw(
  port: number,
  parts: readonly (string | Uint8Array)[],
  { end = false, quietMs = 150 }: { readonly end?: boolean; readonly quietMs?: number } = {},
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1')
    let quiet = setTimeout(done, answerMsMax)
    function done(): void {
      clearTimeout(quiet)
      socket.destroy()
      const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]
      resolve({ status: status === undefined ? null : Number(status), text })
    }
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      clearTimeout(quiet)
      quiet = setTimeout(done, quietMs)
    })
    socket.on('error', done)
    socket.on('close', done)
    socket.on('connect', () => {
      for (const part of parts) socket.write(part)
      if (end) socket.end()
    })
  })
}
