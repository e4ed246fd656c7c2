/** The request of an example as a line for a shell. */
import { type Example, type Exemplified, addressOf, messageOf } from './example.ts'

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
/** Characters that no shell reads as anything else. */
const isPlain = (text: string): boolean => /^[\w/:.%=,@+-]+$/.test(text)
const word = (text: string): string => (isPlain(text) ? text : quoted(text))

/** `server` is the origin that the line asks. */
export function curlLine(endpoint: Exemplified, example: Example, server: string): string {
  const { headers, body } = messageOf(example)
  const method = endpoint.method.toUpperCase()
  const words = ['curl']
  if (method === 'HEAD') words.push('-I')
  // curl itself sends POST with data, and GET without.
  else if (method !== (body === null ? 'GET' : 'POST')) words.push('-X', method)
  words.push(word(server + addressOf(endpoint, example)))
  for (const [name, value] of Object.entries(headers)) words.push('-H', quoted(`${name}: ${value}`))
  if (body !== null) words.push('--data-binary', quoted(body))
  return words.join(' ')
}
