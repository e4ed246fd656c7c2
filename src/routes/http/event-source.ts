/** Events of a server as the door shows them: facts that have happened, in their order, the newest kept. */

export const eventKinds = [
  'published',
  'mirrored',
  'pruned',
  'lag',
  'stalled',
  'caught-up',
  'fenced',
] as const
export type EventKind = (typeof eventKinds)[number]

export interface ServerEvent {
  readonly event: EventKind
  /** The CP that the event is about. */
  readonly cp: number
  /** Side UUID of the mirror that the event is about; null when the event is about no mirror. */
  readonly mirror: string | null
  /** Further facts, by the event. */
  readonly facts: Readonly<Record<string, string | number | null>>
}

export interface KeptEvent extends ServerEvent {
  /** The CP that was published last when the event happened: where a client resumes. */
  readonly at: number
  /** Wall clock. */
  readonly atMs: number
}

/** Numbers count the events of this process. */
export interface EventSource {
  /** Number of the oldest event that is kept, and of the next one. */
  readonly oldest: number
  readonly next: number
  /** True when no event comes any more. */
  readonly isClosed: boolean
  /** The CP that is published now. */
  readonly at: number
  get(number: number): KeptEvent
  /**
   * The number of the first event after the publication of a CP that a client has heard of; null when this process
   * cannot say what the client has missed.
   */
  after(cp: number): number | null
  /** Calls the listener after each event, and at the end. Returns the function that removes the listener. */
  listen(listener: () => void): () => void
}
