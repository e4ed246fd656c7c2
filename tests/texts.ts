/** The texts for people that a source can say, read from the source: so a text that no test brings about is found. */

export interface Text {
  readonly line: number
  readonly text: string
  /** Matches what contains the text; where the source puts in a value, anything may stand. */
  readonly pattern: RegExp
}

/** String literals and templates of several words. Comments, imports and assertions are left out. */
export async function textsOf(path: string): Promise<Text[]> {
  const source = await Bun.file(`${import.meta.dir}/../${path}`).text()
  const blank = (text: string) => text.replaceAll(/[^\n]/g, ' ')
  const code = source
    .replaceAll(/\/\*.*?\*\//gs, blank)
    .replaceAll(/^\s*\/\/.*$|\sassert\(.*$|^import .*$/gm, blank)
  return [...code.matchAll(/'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g)].flatMap(
    ({ index, 1: plain, 2: template }) => {
      const text = plain ?? template ?? ''
      // Only where a word follows another: type names and keys are no texts.
      const words = text.replaceAll(/\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}/g, '\0')
      if (!/[a-z]{2,} (?:[a-z]{2,}|\0)|\0 [a-z]{2,}/.test(words)) return []
      const pattern = new RegExp(words.split('\0').map(RegExp.escape).join('.*'), 's')
      return [{ line: code.slice(0, index).split('\n').length, text, pattern }]
    },
  )
}
