/** One hash of what a server holds: sorted paths with the SHA-256 of their content, as it was read back. */
export interface StoredFile {
  readonly path: string
  readonly content: Uint8Array | ReadableStream<Uint8Array>
}

export async function stateHash(files: AsyncIterable<StoredFile> | Iterable<StoredFile>): Promise<string> {
  const lines: string[] = []
  for await (const { path, content } of files) {
    const hasher = new Bun.CryptoHasher('sha256')
    if (content instanceof Uint8Array) hasher.update(content)
    else for await (const part of content) hasher.update(part)
    lines.push(`${path}\0${hasher.digest('hex')}\n`)
  }
  const all = new Bun.CryptoHasher('sha256')
  for (const line of lines.sort()) all.update(line)
  return `${lines.length} files ${all.digest('hex').slice(0, 16)}`
}
