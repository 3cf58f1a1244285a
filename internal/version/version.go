// Package version says which build this is.
package version

import "runtime/debug"

// version is set by the linker.
var version = ""

// String is the version of this build: what the linker set, or what the build
// information says.
func String() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "dev"
}
