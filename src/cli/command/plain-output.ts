/**
 * The one way to the terminal. Text that a command writes has words of servers in it, in names as in reasons, modes, sizes
 * and times; no character of text is one that a terminal obeys, but the ends of lines (also those of CSV) and tabs. Bytes go as they are:
 * contents of files, and what the program itself wants of the terminal.
 *
 * Characters are shown as `\uNNNN`, which is the same text for a reader of JSON.
 */
import type { CliContext } from './context.ts'

/** Control characters, and those that turn, hide or join text. Persian and emoji need U+200C and U+200D. */
const obeyed =
  // eslint-disable-next-line no-control-regex -- control characters are the ones to find
  /\r(?!\n)|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g

export const plainText = (text: string): string => text.replace(obeyed, escaped)

const escaped = (found: string): string =>
  Array.from(
    { length: found.length },
    (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('')

const plain = <T extends string | Uint8Array>(text: T): T | string =>
  typeof text === 'string' ? plainText(text) : text

/** The same context, whose text can do nothing to a terminal. */
export function withPlainOutput<Context extends CliContext>(context: Context): Context {
  const { stdout, stderr } = context.process
  return {
    ...context,
    process: {
      ...context.process,
      env: context.process.env,
      stdout: { write: (text, done) => stdout.write(plain(text), done) },
      stderr: { write: (text) => stderr.write(plain(text)) },
    } satisfies CliContext['process'],
  }
}
