/** A copy of a project, in which a source may be edited for as long as tests run. The packages are those of the original. */
import { cpSync, existsSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { makeTemporary, removeTemporary } from './temporary.ts'

/** Of the project's own folder; packages are nowhere copied. */
const notCopied = new Set(['.cache', '.git', 'data', 'dist'])

export class ProjectCopy {
  readonly path = makeTemporary('copy')

  constructor(root: string) {
    const filter = (path: string): boolean => basename(path) !== 'node_modules'
    for (const name of readdirSync(root).filter((entry) => !notCopied.has(entry) && filter(entry)))
      cpSync(join(root, name), join(this.path, name), { recursive: true, filter })
    const packages = join(root, 'node_modules')
    if (existsSync(packages)) symlinkSync(packages, join(this.path, 'node_modules'))
  }

  read(file: string): string {
    return readFileSync(join(this.path, file), 'utf8')
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.path, file), text)
  }

  /** The file is as before when the work ends. */
  async whileEdited<T>(file: string, text: string, work: () => Promise<T>): Promise<T> {
    const original = this.read(file)
    this.write(file, text)
    try {
      return await work()
    } finally {
      this.write(file, original)
    }
  }

  dispose(): void {
    removeTemporary(this.path)
  }
}
