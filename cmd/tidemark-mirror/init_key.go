package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/sign"
)

// initKey is the mirror's own key in init's document.
type initKey struct {
	File       string `json:"file"`        // the secret half
	PublicFile string `json:"public_file"` //
	Public     string `json:"public"`
	Made       bool   `json:"made"` // false: it was there
	Line       string `json:"line"` // of this mirror's entry in the network's inventory
}

// makeKey makes the mirror's own key beside the configuration, without a password: cron types none. One that is there is
// kept, and only its public half is written where that is missing.
func makeKey(dir string) (initKey, error) {
	k := initKey{File: filepath.Join(dir, usualKey), PublicFile: filepath.Join(dir, "mirror.pub")}
	secret, err := console.ReadFile(k.File, maxKeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err := k.generate()
		return k, err
	case err != nil:
		return k, fmt.Errorf("this mirror's own key: %w", err)
	}
	signer, err := sign.MinisignFile(secret, nil)
	if err != nil {
		return k, console.Hinted(fmt.Errorf("%s: %w", k.File, err), "move it away, and init makes another")
	}
	k.Public = signer.Key().Public
	if _, err := os.Lstat(k.PublicFile); err == nil {
		return k, nil
	}
	known, err := keys.ParseMinisign(k.Public)
	if err != nil {
		return k, err
	}
	return k, console.WriteNew(k.PublicFile, known.File(), 0o644)
}

// generate writes the public half first: one of a key that is no more is refused, and not overwritten.
func (k *initKey) generate() error {
	secret, public, err := keys.GenerateMinisign(nil)
	if err != nil {
		return err
	}
	known, err := keys.ParseMinisignFile(public)
	if err != nil {
		return err
	}
	if err := console.WriteNew(k.PublicFile, public, 0o644); err != nil {
		return err
	}
	if err := console.WriteNew(k.File, secret, 0o600); err != nil {
		os.Remove(k.PublicFile)
		return err
	}
	k.Public, k.Made = known.String(), true
	return nil
}

// undo removes what makeKey has made, when the configuration could not be written.
func (k initKey) undo() {
	if k.Made {
		os.Remove(k.File)
		os.Remove(k.PublicFile)
	}
}

// own hands the secret half to who will run the mirror: typed by root, it would be root's alone.
func (k initKey) own(uid, gid int) error {
	if !k.Made {
		return nil
	}
	if err := os.Lchown(k.File, uid, gid); err != nil {
		return fmt.Errorf("this mirror's own key: %w", err)
	}
	return nil
}
