/**
 * What every script begins with: the packages of the lock file are there, and Bun runs. Plain Node, no package.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const bun = join(root, 'node_modules', '.bin', 'bun')

/** Returns null when all is well, else one sentence. What npm says goes to stderr; `said` before, when something is missing. */
export function installMissing(said = null) {
  if (said !== null && !isInstalled(root)) console.error(said)
  const problem = installPackages(root)
  if (problem) return problem
  if (runsBun()) return null
  // npm may have been told not to run install scripts: this one only puts the binary in place.
  const script = join(root, 'node_modules', 'bun', 'install.js')
  if (existsSync(script))
    spawnSync(process.execPath, [script], { cwd: dirname(script), stdio: ['ignore', 2, 2] })
  return runsBun() ? null : 'bun is installed but does not run: try `npm rebuild bun`'
}

/** For a folder with a lock file of its own; the answer is that of `installMissing`. */
export function installPackages(folder) {
  return isInstalled(folder) || npmInstall(folder) ? null : 'npm could not install the packages (see above)'
}

/** True when every package that the lock file wants on this machine is there in its version. */
function isInstalled(folder) {
  try {
    const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'))
    return Object.entries(lock.packages).every(([path, wanted]) => {
      if (path === '') return true
      const file = join(folder, path, 'package.json')
      if (!existsSync(file))
        return wanted.optional === true || wanted.devOptional === true || wanted.peer === true
      return JSON.parse(readFileSync(file, 'utf8')).version === wanted.version
    })
  } catch {
    return false
  }
}

/** Exactly what the lock file says. */
function npmInstall(folder) {
  const done = spawnSync('npm', ['ci'], { cwd: folder, stdio: ['ignore', 2, 2] })
  return done.status === 0
}

function runsBun() {
  return existsSync(bun) && spawnSync(bun, ['--version'], { stdio: 'ignore' }).status === 0
}
