/** A copy of a project, in which a source may be edited for as long as tests run. The packages are those of the original. */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/** Of the project's own folder; packages are nowhere copied. */
const notCopied = new Set(['.cache', '.git', 'data', 'dist'])

const live = new Set<ProjectCopy>()
process.once('exit', () => {
  for (const copy of live) copy.dispose()
})

export class ProjectCopy {
  readonly path = mkdtempSync(join(tmpdir(), 'stillpoint-copy-'))

  constructor(root: string) {
    live.add(this)
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
    live.delete(this)
    rmSync(this.path, { recursive: true, force: true })
  }
}
