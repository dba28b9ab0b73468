// Reads passes of the model of the StatefulSet controller, a JSON line each, and lets the real one do the same.
// Exits with 1 if one of them does anything else.
//
// Left out: adopting and releasing, names of new revisions, and the order of actions. Whatever the real one writes is
// noted and not done.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	apps "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/controller/statefulset"
	"k8s.io/kubernetes/pkg/features"
)

type pod struct {
	Ordinal                int
	Revision, Image, Phase string
	ReadySince             *int64
	Terminating            bool
}
type claim struct {
	Name        string
	Terminating bool
	Owners      []string
}
type revision struct {
	Name   string
	Number int64
	Image  string
}

// One StatefulSet with its objects, and what the model does.
type pass struct {
	Now                                  int64
	Replicas                             int32
	Start                                int32
	Image, Type, WhenDeleted, WhenScaled string
	Parallel, Deleting                   bool
	Partition                            *int32
	MinReady, Limit                      int32
	ClaimTemplates                       int
	Status                               struct {
		Gen                       int64
		Replicas, CurrentReplicas int32
		Current, Update           string
	}
	Pods      []pod
	Revisions []revision
	Claims    []claim
	Actions   []string
}

// The objects of a pass, and what was done with them.
type world struct {
	sync.Mutex
	claims    map[string]*v1.PersistentVolumeClaim
	revisions []*apps.ControllerRevision
	known     map[string]bool
	done      map[string]bool
}

func (w *world) note(format string, a ...any) {
	w.Lock()
	defer w.Unlock()
	w.done[fmt.Sprintf(format, a...)] = true
}

func (w *world) told(name string) string {
	if w.known[name] || strings.HasPrefix(name, "db-r") {
		return name
	}
	return "NEW"
}

func (w *world) CreatePod(_ context.Context, p *v1.Pod) error {
	w.note("create-pod %s %s %s", p.Name, w.told(p.Labels["controller-revision-hash"]), p.Spec.Containers[0].Image)
	return nil
}

func (w *world) GetPod(ns, name string) (*v1.Pod, error) {
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, name)
}

func (w *world) UpdatePod(p *v1.Pod) error { return nil }

func (w *world) DeletePod(p *v1.Pod) error { w.note("delete-pod %s", p.Name); return nil }

func (w *world) CreateClaim(c *v1.PersistentVolumeClaim) error {
	w.note("create-claim %s", c.Name)
	return nil
}

func (w *world) GetClaim(ns, name string) (*v1.PersistentVolumeClaim, error) {
	if c, ok := w.claims[name]; ok {
		return c, nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "persistentvolumeclaims"}, name)
}

func (w *world) UpdateClaim(c *v1.PersistentVolumeClaim) error {
	var o []string
	for _, r := range c.OwnerReferences {
		id := string(r.UID)
		if id == "" {
			id = "0"
		}
		o = append(o, fmt.Sprintf("%s/%s/%s/%v", r.Kind, r.Name, id, r.Controller != nil && *r.Controller))
	}
	sort.Strings(o)
	w.note("set-owners %s %s", c.Name, strings.Join(o, ","))
	return nil
}

func (w *world) UpdateStatefulSetStatus(_ context.Context, set *apps.StatefulSet, s *apps.StatefulSetStatus) error {
	w.note("status %d %s %s %d %d %d %d %d", s.ObservedGeneration, w.told(s.CurrentRevision), w.told(s.UpdateRevision),
		s.Replicas, s.ReadyReplicas, s.AvailableReplicas, s.CurrentReplicas, s.UpdatedReplicas)
	return nil
}

func (w *world) ListControllerRevisions(metav1.Object, labels.Selector) ([]*apps.ControllerRevision, error) {
	return w.revisions, nil
}

func (w *world) CreateControllerRevision(_ metav1.Object, r *apps.ControllerRevision, _ *int32) (*apps.ControllerRevision, error) {
	w.note("create-revision %d %s", r.Revision, imageOf(r))
	return r, nil
}

func (w *world) DeleteControllerRevision(r *apps.ControllerRevision) error {
	w.note("delete-revision %s", r.Name)
	return nil
}

func (w *world) UpdateControllerRevision(r *apps.ControllerRevision, n int64) (*apps.ControllerRevision, error) {
	w.note("renumber %s %d", r.Name, n)
	c := r.DeepCopy()
	c.Revision = n
	return c, nil
}

func (w *world) AdoptControllerRevision(metav1.Object, schema.GroupVersionKind, *apps.ControllerRevision) (*apps.ControllerRevision, error) {
	panic("adopt")
}

func (w *world) ReleaseControllerRevision(metav1.Object, *apps.ControllerRevision) (*apps.ControllerRevision, error) {
	panic("release")
}

func imageOf(r *apps.ControllerRevision) string {
	var d struct {
		Spec struct{ Template v1.PodTemplateSpec }
	}
	if err := json.Unmarshal(r.Data.Raw, &d); err != nil {
		panic(err)
	}
	return d.Spec.Template.Spec.Containers[0].Image
}

func template(image string) v1.PodTemplateSpec {
	return v1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "db"}},
		Spec:       v1.PodSpec{Containers: []v1.Container{{Name: "app", Image: image}}},
	}
}

var codec = scheme.Codecs.LegacyCodec(apps.SchemeGroupVersion)

// What a revision of this image keeps, as the controller writes it.
func data(set *apps.StatefulSet, image string) []byte {
	s := set.DeepCopy()
	s.Spec.Template = template(image)
	raw, err := runtime.Encode(codec, s)
	if err != nil {
		panic(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		panic(err)
	}
	t := m["spec"].(map[string]any)["template"].(map[string]any)
	t["$patch"] = "replace"
	out, _ := json.Marshal(map[string]any{"spec": map[string]any{"template": t}})
	return out
}

func at(ms int64) time.Time { return time.UnixMilli(ms) }

func run(k pass) (map[string]bool, error) {
	yes := true
	deletion := metav1.NewTime(at(k.Now + 29000))
	set := &apps.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "x", UID: "1", Generation: 5, Labels: map[string]string{"app": "db"}},
		Spec: apps.StatefulSetSpec{
			Replicas: &k.Replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}},
			Template: template(k.Image), MinReadySeconds: k.MinReady, RevisionHistoryLimit: &k.Limit,
			PodManagementPolicy: apps.OrderedReadyPodManagement,
			UpdateStrategy:      apps.StatefulSetUpdateStrategy{Type: apps.StatefulSetUpdateStrategyType(k.Type)},
			PersistentVolumeClaimRetentionPolicy: &apps.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: apps.PersistentVolumeClaimRetentionPolicyType(k.WhenDeleted),
				WhenScaled:  apps.PersistentVolumeClaimRetentionPolicyType(k.WhenScaled)},
		},
		Status: apps.StatefulSetStatus{ObservedGeneration: k.Status.Gen, Replicas: k.Status.Replicas,
			CurrentReplicas: k.Status.CurrentReplicas, CurrentRevision: k.Status.Current, UpdateRevision: k.Status.Update},
	}
	if k.Parallel {
		set.Spec.PodManagementPolicy = apps.ParallelPodManagement
	}
	if k.Partition != nil {
		set.Spec.UpdateStrategy.RollingUpdate = &apps.RollingUpdateStatefulSetStrategy{Partition: k.Partition}
	}
	if k.Start != 0 {
		set.Spec.Ordinals = &apps.StatefulSetOrdinals{Start: k.Start}
	}
	for range k.ClaimTemplates {
		set.Spec.VolumeClaimTemplates = append(set.Spec.VolumeClaimTemplates, v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data"}})
	}
	if k.Deleting {
		set.DeletionTimestamp = &deletion
	}
	w := &world{claims: map[string]*v1.PersistentVolumeClaim{}, known: map[string]bool{}, done: map[string]bool{}}
	for _, r := range k.Revisions {
		w.known[r.Name] = true
		w.revisions = append(w.revisions, &apps.ControllerRevision{
			ObjectMeta: metav1.ObjectMeta{Name: r.Name, Namespace: "x", Labels: map[string]string{"app": "db"},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", UID: "1", Controller: &yes}}},
			Revision: r.Number, Data: runtime.RawExtension{Raw: data(set, r.Image)}})
	}
	for _, c := range k.Claims {
		o := &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: c.Name, Namespace: "x"}}
		if c.Terminating {
			o.DeletionTimestamp = &deletion
		}
		for _, text := range c.Owners {
			p := strings.Split(text, "/")
			controller := p[3] == "true"
			version := map[string]string{"StatefulSet": "apps/v1", "Pod": "v1", "Backup": "b/v1"}[p[0]]
			o.OwnerReferences = append(o.OwnerReferences, metav1.OwnerReference{APIVersion: version, Kind: p[0], Name: p[1], UID: types.UID(p[2]), Controller: &controller})
		}
		w.claims[c.Name] = o
	}
	var pods []*v1.Pod
	for _, p := range k.Pods {
		name := fmt.Sprintf("db-%d", p.Ordinal)
		o := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "x", UID: types.UID(fmt.Sprint(100 + p.Ordinal)),
			Labels:          map[string]string{"app": "db", "controller-revision-hash": p.Revision, "statefulset.kubernetes.io/pod-name": name},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", UID: "1", Controller: &yes}}},
			Spec:   template(p.Image).Spec,
			Status: v1.PodStatus{Phase: v1.PodPhase(p.Phase)}}
		if k.ClaimTemplates > 0 {
			o.Spec.Volumes = []v1.Volume{{Name: "data", VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: "data-" + name}}}}
		}
		if p.Terminating {
			o.DeletionTimestamp = &deletion
		}
		if p.ReadySince != nil {
			o.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: metav1.NewTime(at(*p.ReadySince))}}
		}
		pods = append(pods, o)
	}
	pc := statefulset.NewStatefulPodControlFromManager(w, &record.FakeRecorder{})
	control := statefulset.NewDefaultStatefulSetControl(pc, w, w)
	_, err := control.UpdateStatefulSet(context.Background(), set, pods, at(k.Now))
	if err != nil {
		w.done["retry"] = true
	}
	return w.done, err
}

func main() {
	if err := utilfeature.DefaultMutableFeatureGate.Set(string(features.MaxUnavailableStatefulSet) + "=false"); err != nil {
		panic(err)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	passes, wrong := 0, 0
	for in.Scan() {
		var k pass
		if err := json.Unmarshal(in.Bytes(), &k); err != nil {
			panic(err)
		}
		passes++
		done, err := run(k)
		model := map[string]bool{}
		for _, a := range k.Actions {
			model[a] = true
		}
		var diff []string
		for a := range done {
			if !model[a] {
				diff = append(diff, "  real only:  "+a)
			}
		}
		for a := range model {
			if !done[a] {
				diff = append(diff, "  model only: "+a)
			}
		}
		if len(diff) > 0 {
			wrong++
			if wrong <= 3 {
				sort.Strings(diff)
				fmt.Printf("pass %d (%v): %s\n%s\n", passes, err, in.Text(), strings.Join(diff, "\n"))
			}
		}
	}
	fmt.Printf("%d passes, %d differ\n", passes, wrong)
	if wrong > 0 || passes == 0 {
		os.Exit(1)
	}
}
