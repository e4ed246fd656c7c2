/** Says what is wrong with the bytes of a volume: which structure, where, and what. */
export class Damage extends Error {
  readonly kind: string
  readonly address: number | undefined

  constructor(kind: string, message: string, address?: number) {
    super(message)
    this.kind = kind
    this.address = address
  }
}

/** Throws `Damage` when a condition that the page asks for does not hold. */
export function want(condition: boolean, kind: string, message: string, address?: number): asserts condition {
  if (!condition) throw new Damage(kind, message, address)
}

/** One line of what `check` prints. */
export interface Finding {
  readonly severity: 'error' | 'warning' | 'info'
  readonly kind: string
  readonly address?: number
  readonly message: string
}

/** Collects findings, so that one damaged block does not hide the next. */
export class Findings {
  readonly list: Finding[] = []

  add(severity: Finding['severity'], kind: string, message: string, address?: number): void {
    this.list.push(address === undefined ? { severity, kind, message } : { severity, kind, address, message })
  }

  /** Runs a step; damage in the step becomes a finding, and the answer is then `undefined`. */
  attempt<T>(step: () => T): T | undefined {
    try {
      return step()
    } catch (error) {
      if (!(error instanceof Damage)) throw error
      this.add('error', error.kind, error.message, error.address)
      return undefined
    }
  }

  get hasErrors(): boolean {
    return this.list.some((finding) => finding.severity === 'error')
  }
}
