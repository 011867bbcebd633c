// Gocheck reads an exported ledger with Go's own sumdb/note and sumdb/tlog and nothing of ours.
//
// Usage: gocheck TASK.json. It opens the checkpoint, proves leaves and older trees from the tiles, and checks proofs that
// were made elsewhere. It prints what it accepted as JSON, or the first refusal on stderr with exit code 1.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type task struct {
	Ledger string   `json:"ledger"`
	VKey   string   `json:"vkey"`
	Leaves []int64  `json:"leaves"` // proven from the tiles
	Proofs []string `json:"proofs"` // .tlog-proof files, each of the entry at its index
	Older  []older  `json:"older"`
}

type older struct {
	Size  int64    `json:"size"`
	Root  string   `json:"root"`
	Proof []string `json:"proof"` // made elsewhere
}

// tiles reads tiles from a folder, as C2SP tlog-tiles names them.
type tiles struct{ folder string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(filepath.Join(t.folder, strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gocheck:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var t task
	if err := json.Unmarshal(data, &t); err != nil {
		return err
	}
	tree, err := open(filepath.Join(t.Ledger, "checkpoint"), t.VKey)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, tiles{t.Ledger})
	for _, index := range t.Leaves {
		entry, err := entryAt(t.Ledger, index, tree.N)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		if err != nil {
			return fmt.Errorf("leaf %d: %v", index, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
			return fmt.Errorf("leaf %d: %v", index, err)
		}
	}
	for _, file := range t.Proofs {
		if err := checkFile(file, t); err != nil {
			return fmt.Errorf("%s: %v", file, err)
		}
	}
	for _, old := range t.Older {
		root, err := tlog.ParseHash(old.Root)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, old.Size, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.Size, root); err != nil {
			return fmt.Errorf("tree of %d: %v", old.Size, err)
		}
		hashes, err := parseHashes(old.Proof)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(tlog.TreeProof(hashes), tree.N, tree.Hash, old.Size, root); err != nil {
			return fmt.Errorf("given proof of the tree of %d: %v", old.Size, err)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"size": tree.N, "leaves": len(t.Leaves), "proofs": len(t.Proofs), "older": len(t.Older),
	})
}

// open verifies a checkpoint file and reads its tree.
func open(path, vkey string) (tlog.Tree, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	return parse(data, vkey)
}

func parse(data []byte, vkey string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}

// checkFile checks one .tlog-proof: its checkpoint, and that it proves the ledger's entry at its index.
func checkFile(path string, t task) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("not a tlog-proof")
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return err
	}
	hashes, err := parseHashes(lines[1:])
	if err != nil {
		return err
	}
	tree, err := parse([]byte(checkpoint), t.VKey)
	if err != nil {
		return err
	}
	entry, err := entryAt(t.Ledger, index, tree.N)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(tlog.RecordProof(hashes), tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	hashes := []tlog.Hash{}
	for _, line := range lines {
		data, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(data) != tlog.HashSize {
			return nil, fmt.Errorf("not a hash: %q", line)
		}
		hashes = append(hashes, tlog.Hash(data))
	}
	return hashes, nil
}

// entryAt reads one entry from its bundle: u16 length and bytes, one after another.
func entryAt(folder string, index, size int64) ([]byte, error) {
	tile := tlog.Tile{H: 8, L: 0, N: index / 256, W: int(min(256, size-index/256*256))}
	name := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return nil, err
	}
	for skip := index % 256; ; skip-- {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s is cut short", name)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		if skip == 0 {
			return data[2:end], nil
		}
		data = data[end:]
	}
}
