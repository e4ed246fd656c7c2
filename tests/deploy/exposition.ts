/** What a server answers at `/metrics`, taken apart. */

export interface Exposition {
  /** Name of each metric → its type, and the sentence about it. */
  readonly families: ReadonlyMap<string, { readonly type: string; readonly help: string }>
  /** Name of each sample → the names of its labels. */
  readonly samples: ReadonlyMap<string, ReadonlySet<string>>
}

export function readExposition(text: string): Exposition {
  const families = new Map<string, { type: string; help: string }>()
  let help = ''
  const samples = new Map<string, Set<string>>()
  for (const line of text.split('\n')) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line)
    help = /^# HELP \S+ (.*)$/.exec(line)?.[1] ?? help
    if (type) families.set(type[1]!, { type: type[2]!, help })
    const sample = /^([a-z_]+)(?:\{(.*)\})? \S+$/.exec(line)
    if (!sample) continue
    const [, name = '', labels = ''] = sample
    const known = samples.get(name) ?? new Set()
    for (const [, label] of labels.matchAll(/(\w+)="/g)) known.add(label!)
    samples.set(name, known)
  }
  return { families, samples }
}

/** The metrics that an expression asks for, with the labels by which it chooses. */
export function askedOf(expression: string): { readonly name: string; readonly labels: readonly string[] }[] {
  return [...expression.matchAll(/\b((?:stillpoint|process)_\w+)(?:\{([^}]*)\})?/g)].map(
    ([, name = '', selector = '']) => ({
      name,
      labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!),
    }),
  )
}

/** The rows of docs/operations.md: name, type, labels, the side that has the metric, meaning. */
export function metricRows(ofPrimary: string, ofMirror: string): string[] {
  const primary = readExposition(ofPrimary)
  const mirror = readExposition(ofMirror)
  return [...new Map([...primary.families, ...mirror.families])]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { type, help }]) => {
      const isOn = [primary, mirror].map(({ families }) => families.has(name))
      const side = isOn[0] && isOn[1] ? 'both' : isOn[0] ? 'primary' : 'mirror'
      const of = type === 'histogram' ? `${name}_bucket` : name
      const labels = [primary, mirror].flatMap(({ samples }) => [...(samples.get(of) ?? [])])
      const shown = [...new Set(labels)].filter((label) => label !== 'le').map((label) => `\`${label}\``)
      return `|\`${name}\`|${type}|${shown.join(', ')}|${side}|${help.replace(/\.$/, '')}|`
    })
}
