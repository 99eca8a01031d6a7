# 65 instructions are executed by one call (ints; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_ints>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x2,%al
	jbe    <kymo_call_ints+0x23>
	mov    %rdx,%rcx
	mov    %rsi,%rdx
	mov    %rdi,%rsi
	lea    ...(%rip),%rdi
	jmp    <kymo::export::shared3>
	ret

<kymo::export::shared3>:
	mov    %rdx,%r8
	mov    $0xffffffffffffff90,%r9
	mov    %fs:(%r9),%r10
	test   %r10,%r10
	je     <kymo::export::shared3+0x11f>
	movq   $0x0,%fs:(%r9)
	mov    0x48(%r10),%rax
	movzbl 0x140(%rax),%eax
	cmp    $0x1,%al
	je     <kymo::export::shared3+0x44>
	movzbl %al,%eax
	test   %eax,%eax
	jne    <kymo::export::shared3+0x11b>
	rdtsc
	shl    $0x20,%rdx
	or     %rax,%rdx
	jmp    <kymo::export::shared3+0x4e>
	mov    ...(%rip),%rax
	mov    (%rax),%rdx
	mov    0x38(%r10),%rax
	lea    0x28(%rax),%r11
	cmp    0x40(%r10),%r11
	ja     <kymo::export::shared3+0x11b>
	shl    $0x10,%rdi
	or     $0x28,%rdi
	mov    %rdi,(%rax)
	mov    %rdx,0x8(%rax)
	mov    %rsi,0x10(%rax)
	mov    %r8,0x18(%rax)
	mov    %rcx,0x20(%rax)
	mov    %r11,0x38(%r10)
	mov    0x20(%r10),%rax
	mov    0x28(%r10),%rsi
	mov    0x30(%r10),%rdx
	mov    0x108(%rax),%rcx
	lea    (%rcx,%rcx,1),%rdi
	neg    %rdi
	xor    %r8d,%r8d
	cmp    %rdx,%rsi
	cmova  %rdi,%r8
	mov    %rcx,%rdi
	sub    %rdx,%rdi
	add    %rsi,%rdi
	add    %r8,%rdi
	cmp    $0x4,%rdi
	ja     <kymo::export::shared3+0xe8>
	mov    (%rax),%rsi
	mov    %rsi,0x28(%r10)
	mov    0x20(%r10),%rax
	mov    0x108(%rax),%rcx
	lea    (%rcx,%rcx,1),%rdi
	neg    %rdi
	xor    %r8d,%r8d
	sub    %rdx,%rsi
	cmova  %rdi,%r8
	add    %rsi,%r8
	add    %rcx,%r8
	cmp    $0x5,%r8
	jb     <kymo::export::shared3+0x127>
	mov    0x30(%r10),%rdx
	lea    -0x5(,%rcx,2),%rsi
	add    %rcx,%rcx
	mov    $0x5,%edi
	mov    $0x5,%r8d
	sub    %rcx,%r8
	cmp    %rsi,%rdx
	cmovb  %rdi,%r8
	add    %rdx,%r8
	mov    %r8,0x80(%rax)
	mov    %r8,0x30(%r10)
	mov    %r10,%fs:(%r9)
	ret
	mov    %r10,%fs:(%r9)
	mov    %r8,%rdx
	jmp    <kymo::export::outlined3>
	push   %rax
	lea    ...(%rip),%rdi
	lea    ...(%rip),%rdx
	mov    $0x28,%esi
	call   *0x9152f(%rip)        # <_DYNAMIC+0x330>
