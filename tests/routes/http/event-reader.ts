/** Reads server-sent events as the standard says: blocks of fields, comments left out. */

interface Heard {
  readonly id: string | null
  readonly event: string | null
  readonly data: unknown
}

export class EventReader {
  private readonly reader: Pick<ReadableStreamDefaultReader<Uint8Array>, 'read' | 'cancel'>
  private text = ''
  /** The id that a client would resume with. */
  lastId: string | null = null
  comments = 0

  constructor(response: Response) {
    this.reader = response.body!.getReader()
  }

  /** The next event; null at the end of the stream. */
  async next(): Promise<Heard | null> {
    for (;;) {
      const block = await this.block()
      if (block === null) return null
      if (block === ':') this.comments++
      const fields = new Map(
        block.split('\n').flatMap((line) => {
          const colon = line.indexOf(': ')
          return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 2)] as const] : []
        }),
      )
      this.lastId = fields.get('id') ?? this.lastId
      const data = fields.get('data')
      if (data !== undefined)
        return { id: fields.get('id') ?? null, event: fields.get('event') ?? null, data: JSON.parse(data) }
    }
  }

  /** Events up to the first one of this name, that one last. */
  async until(event: string): Promise<readonly Heard[]> {
    const heard: Heard[] = []
    for (;;) {
      const next = await this.next()
      if (next === null) throw new Error(`the stream ended before ${event}: ${JSON.stringify(heard)}`)
      heard.push(next)
      if (next.event === event) return heard
    }
  }

  cancel(): Promise<void> {
    return this.reader.cancel()
  }

  /** A block of lines, or `:`. */
  private async block(): Promise<string | null> {
    for (;;) {
      const end = this.text.indexOf('\n\n')
      if (end !== -1) {
        const block = this.text.slice(0, end)
        this.text = this.text.slice(end + 2)
        return block
      }
      const { value, done } = await this.reader.read()
      if (done) return null
      this.text += Buffer.from(value).toString()
    }
  }
}
