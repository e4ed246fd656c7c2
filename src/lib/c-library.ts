/**
 * The way to calls of the C library that the runtime does not offer. bun:ffi is called experimental, so each call is
 * optional: where a symbol is absent the caller has another way.
 */
import { dlopen, type FFIFunction, type Library } from 'bun:ffi'

const libraries =
  process.platform === 'linux'
    ? ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`]
    : []

/** The symbols, all of them; null where no library of this system has them. */
export function symbolsOf<Symbols extends Record<string, FFIFunction>>(
  symbols: Symbols,
): Library<Symbols>['symbols'] | null {
  for (const library of libraries) {
    try {
      return dlopen(library, symbols).symbols
    } catch {
      // The next library may have the symbols.
    }
  }
  return null
}
