/** Results that are kept between runs, a file each under `.cache/mutate/`. The newest of a name takes the older's place. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export class Store<T> {
  private readonly folder: string

  constructor(root: string, shelf: string) {
    this.folder = join(root, '.cache/mutate', shelf)
    mkdirSync(this.folder, { recursive: true })
  }

  /** Null when there is none, and when what is there was cut short. */
  get(name: string): T | null {
    const file = this.file(name)
    if (!existsSync(file)) return null
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as T
    } catch {
      return null
    }
  }

  put(name: string, value: T): void {
    const file = this.file(name)
    writeFileSync(`${file}.new`, JSON.stringify(value))
    renameSync(`${file}.new`, file)
  }

  private file(name: string): string {
    return join(this.folder, `${name.replaceAll('/', '__')}.json`)
  }
}
