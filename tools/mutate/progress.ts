/** How far it is, on stderr: in place on a terminal, a line from time to time elsewhere. */
const lineMsMin = 30_000

export class Progress {
  private readonly began = performance.now()
  private shownAt = -lineMsMin
  private readonly inPlace = process.stderr.isTTY

  say(text: string): void {
    const now = performance.now()
    if (!this.inPlace && now - this.shownAt < lineMsMin) return
    this.shownAt = now
    process.stderr.write(this.inPlace ? `\r\x1b[K${text}` : `${text}\n`)
  }

  count(what: string, done: number, of: number): void {
    this.say(`${done} of ${of} ${what}${timeLeft(performance.now() - this.began, done, of)}`)
  }

  /** Before something else is shown. */
  clear(): void {
    if (this.inPlace) process.stderr.write('\r\x1b[K')
  }
}

/** As if the rest went like what is done. */
export function timeLeft(elapsedMs: number, done: number, of: number): string {
  if (done === 0 || done >= of) return ''
  const minutes = ((elapsedMs / done) * (of - done)) / 60_000
  return minutes < 1 ? ', less than a minute left' : `, ${Math.round(minutes)} min left`
}
