/**
 * Two machines on one cable, as network namespaces of this one: `10.0.0.1` and `10.0.0.2`. Neither sees the other's
 * loopback, nor the network of the host.
 */
const addresses = ['10.0.0.1', '10.0.0.2'] as const
export type Address = (typeof addresses)[number]

/** Why there are no two machines here, in words; null when there are. */
export function twoMachinesProblem(): string | null {
  if (process.getuid?.() !== 0) return 'only root may make network namespaces'
  if (Bun.which('ip') === null) return 'iproute2 is not installed'
  try {
    new TwoMachines().remove()
    return null
  } catch (error) {
    return `no network namespaces here: ${error instanceof Error ? error.message.trim() : String(error)}`
  }
}

export class TwoMachines {
  private static made = 0
  private readonly id = `sp${process.pid}x${TwoMachines.made++}`

  constructor() {
    try {
      for (const address of addresses) ip('netns', 'add', this.spaceOf(address))
      const [first, second] = addresses.map((address) => this.spaceOf(address)) as [string, string]
      ip('-n', first, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', second)
      for (const address of addresses) {
        const space = this.spaceOf(address)
        ip('-n', space, 'address', 'add', `${address}/24`, 'dev', 'cable')
        for (const device of ['cable', 'lo']) ip('-n', space, 'link', 'set', device, 'up')
      }
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** Put before a command that runs on the machine. */
  on(address: Address): readonly string[] {
    return ['ip', 'netns', 'exec', this.spaceOf(address)]
  }

  /** The cable goes with its ends. What still runs on a machine keeps its namespace until it ends. */
  remove(): void {
    for (const address of addresses)
      Bun.spawnSync(['ip', 'netns', 'delete', this.spaceOf(address)], { stdout: 'ignore', stderr: 'ignore' })
  }

  private spaceOf(address: Address): string {
    return `${this.id}-${addresses.indexOf(address)}`
  }
}

function ip(...args: readonly string[]): void {
  const done = Bun.spawnSync(['ip', ...args], { stdout: 'ignore', stderr: 'pipe' })
  if (done.exitCode !== 0) throw new Error(`ip ${args.join(' ')}: ${done.stderr.toString()}`)
}
